package org.dpo4j.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.dpo4j.model.PairStep.get;

import java.util.List;
import java.util.Map;
import java.util.Set;
import org.dpo4j.conformance.CountingDevice;
import org.dpo4j.conformance.On;
import org.dpo4j.conformance.OnEachDType;
import org.dpo4j.conformance.OnEachDevice;
import org.dpo4j.data.PackedBatch;
import org.dpo4j.data.PreferencePair;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.model.PairStep.Head;

/** The head of a training pass in chunks: the number of products, and results that do not depend on the chunks. */
class CompletionHeadTest {
    /** Pairs with 14, 4 and 8 completion tokens. */
    private static final List<PreferencePair> PAIRS = List.of(pair(7, 5, 9), pair(4, 1, 3), pair(1, 6, 2));

    private static final int TOKENS = 26;
    private static final PairStep.Input INPUT =
            new PairStep.Input(PAIRS, new float[] {-20, -30, -5, -12, -25, -6}, 0.1);
    /** Tensors whose gradient is a sum over rows of the head, chunk after chunk. */
    private static final Set<String> SUMS_OVER_CHUNKS = Set.of("lm_head.weight", "model.norm.weight");

    private static final Head RECOMPUTING = new Head(5, CompletionLoss.WHOLE_BATCH);

    private static PreferencePair pair(int prompt, int chosen, int rejected) {
        return new PreferencePair(0, ids(prompt, 3), ids(chosen, 11), ids(rejected, 20));
    }

    private static int[] ids(int count, int first) {
        int[] ids = new int[count];
        for (int i = 0; i < count; i++) {
            ids[i] = first + 5 * i % 17;
        }
        return ids;
    }

    private static PairStep run(Model model, Head head) {
        return INPUT.run(model, head);
    }

    /** Log-probs and losses have the same bits in any chunks, and two runs have the same gradients. */
    @OnEachDType
    void logProbsKeepTheirBits(On on) {
        try (Model model = Model.load(TestFiles.golden("llama-tiny"), on.device(), on.dtype())) {
            PairStep whole = run(model, Head.DEFAULT);
            for (Head head : List.of(new Head(18, 2), new Head(14, 2), new Head(8, 2), new Head(3, 2), RECOMPUTING)) {
                PairStep step = run(model, head);
                assertThat(step.tokens()).as("%s", head).isEqualTo(whole.tokens());
                assertThat(step.losses()).as("%s", head).isEqualTo(whole.losses());
                PairStep again = run(model, head);
                step.gradients()
                        .forEach((tensor, gradient) -> assertThat(gradient)
                                .as("%s with %s", tensor, head)
                                .isEqualTo(again.gradients().get(tensor)));
            }
        }
    }

    /**
     * The gradients are sums of the same terms in another order. Each term has at most three more fp32 roundings of
     * 6e-8: of the unit gradient, the scaled row and the product. The error is 1e-6 of a tensor's norm, so a tolerance
     * of 1e-5 is enough.
     */
    @OnEachDevice
    void gradientsAreThoseOfRecomputedLogits(On on) {
        for (String name : List.of("llama-tiny", "llama-tiny-untied")) {
            try (Model model = Model.load(TestFiles.golden(name), on.device(), DType.F32)) {
                Map<String, float[]> expected = run(model, RECOMPUTING).gradients();
                for (int rows : new int[] {26, 18, 14, 8, 3, 1}) {
                    run(model, new Head(rows, 2))
                            .gradients()
                            .forEach((tensor, gradient) -> assertThat(GradientTest.relativeError(
                                            gradient, GradientTest.doubles(get(expected, tensor))))
                                    .as("%s %s, %d rows", name, tensor, rows)
                                    .isLessThan(1e-5));
                }
            }
        }
    }

    /**
     * A gradient with respect to the sums that is a power of two scales without rounding, so gradients have the same bits
     * with three products and with four.
     */
    @OnEachDType
    void powersOfTwoScaleExactly(On on) {
        float[] dSums = {0.5f, -0.25f, 2, -2, -0x1p-20f, 0x1p-9f};
        try (Model model = Model.load(TestFiles.golden("llama-tiny-untied"), on.device(), on.dtype())) {
            Map<String, float[]> expected = gradients(model, dSums, RECOMPUTING);
            for (Head head : List.of(Head.DEFAULT, new Head(14, 2), new Head(9, 1))) {
                gradients(model, dSums, head).forEach((tensor, gradient) -> {
                    if (!SUMS_OVER_CHUNKS.contains(tensor)) {
                        assertThat(gradient).as("%s, %s", tensor, head).isEqualTo(get(expected, tensor));
                    }
                });
            }
        }
    }

    private static Map<String, float[]> gradients(Model model, float[] dSums, Head head) {
        model.parameters().zeroGradients();
        try (TrainingModel language = new TrainingModel(model, head.options(model, CompletionSums.PLAIN));
                GivenGradient loss = new GivenGradient(model.device(), dSums.length, TOKENS, head.group())) {
            loss.accumulate(language, PackedBatch.pairs(PAIRS, true), dSums);
        }
        return PairStep.gradients(model);
    }

    /**
     * Each row is in one product for logits, one for its gradient and one for the gradient of the head: three products. On a
     * device with graphs the rows of a chunk are rounded up to a multiple of 8, within the memory for logits.
     */
    @OnEachDevice
    void threeProductsIfEachChunkFits(On on) {
        boolean isRounded = on.device().supportsGraphs();
        Map<Integer, Integer> rows =
                Map.of(40, isRounded ? 32 : 26, 26, 26, 18, isRounded ? 18 + 8 : 26, 14, isRounded ? 14 + 14 : 26);
        rows.forEach((max, expected) ->
                assertThat(rowsOfProducts(on, new Head(max, 2))).containsExactly(expected, expected, expected));
        assertThat(rowsOfProducts(on, new Head(TOKENS, CompletionLoss.WHOLE_BATCH)))
                .containsExactly(TOKENS, TOKENS, TOKENS);
    }

    /** If the logits of a pair do not fit in memory, all of them are computed again except those of its last part. */
    @OnEachDevice
    void fourProductsIfAPairDoesNotFit(On on) {
        boolean isRounded = on.device().supportsGraphs();
        // chunks of 5: 5, 5, 5, 5, 5, 1, of which the last is not computed again; rounded to 32 rows, 30 and 2
        int whole = isRounded ? 32 : TOKENS;
        assertThat(rowsOfProducts(on, RECOMPUTING)).containsExactly(whole + (isRounded ? 30 : 25), whole, whole);
        // the pair of 14 alone: 8 and 6; rounded, 8 and 8
        int both = isRounded ? 16 + 8 + 8 : TOKENS;
        assertThat(rowsOfProducts(on, new Head(8, 2))).containsExactly(both + 8, both, both);
        // 14 in 4, 4, 4, 2, rounded to 4, 4, 4, 4; 4; 8 in 4, 4
        int all = isRounded ? 16 + 4 + 8 : TOKENS;
        assertThat(rowsOfProducts(on, new Head(4, 2))).containsExactly(all + 12 + 4, all, all);
    }

    private static int[] rowsOfProducts(On on, Head head) {
        CountingDevice counting = new CountingDevice(on.device(), 37);
        Device device = counting.device();
        try (Model model = Model.load(TestFiles.golden("llama-tiny"), device, DType.F32)) {
            run(model, head);
            return new int[] {counting.logits, counting.dRows, counting.dHead};
        }
    }

    /** Batches of other sizes and chunks, none larger than the first. */
    @OnEachDevice
    void noAllocationInTheLoop(On on) {
        try (Model model = Model.load(TestFiles.golden("llama-tiny"), on.device(), DType.F32);
                GivenGradient loss = new GivenGradient(on.device(), 6, TOKENS, 2);
                TrainingModel language =
                        new TrainingModel(model, new Head(8, 2).options(model, new CompletionSums(1, true)))) {
            float[] dSums = {1, -1, 1, -1, 1, -1};
            loss.accumulate(language, PackedBatch.pairs(PAIRS, true), dSums);
            long allocated = on.device().allocatedBytes();
            for (List<PreferencePair> pairs : List.of(PAIRS.subList(1, 3), PAIRS.subList(0, 1), PAIRS)) {
                loss.accumulate(language, PackedBatch.pairs(pairs, true), dSums);
                assertThat(on.device().allocatedBytes()).isEqualTo(allocated);
            }
        }
    }
}
