package org.dpo4j.train;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Supplier;
import org.dpo4j.conformance.On;
import org.dpo4j.conformance.OnEachBf16Device;
import org.dpo4j.conformance.OnEachDType;
import org.dpo4j.conformance.OnEachDevice;
import org.dpo4j.conformance.StandIn;
import org.dpo4j.conformance.StandIn.Event;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.LossType;
import org.dpo4j.model.Model;
import org.dpo4j.model.family.Llama;
import org.dpo4j.model.family.ModelConfig;

/** Runs with steps as CUDA graphs, and without. */
class StepGraphsTest {
    /** Memory for so few rows of logits that a micro-batch has several chunks, or four products for a loss of whole micro-batches. */
    private static final long FEW_LOGITS = 4L * 40 * 16;

    private static final long ALL_LOGITS = 1 << 20;

    private static DpoOptions.Builder options() {
        return TinyRun.options().maxSteps(8).perDeviceTrainBatchSize(3).gradientAccumulationSteps(2);
    }

    private static TinyRun run(On on, DpoOptions.Builder options, boolean graphs, long logitsBytes) {
        try (Model model = TinyRun.model(on)) {
            return TinyRun.dpo(
                    model, TinyRun.pairs(8), options.cudaGraphs(graphs).build(), logitsBytes);
        }
    }

    private static void assertSameBits(TinyRun with, TinyRun without, String what) {
        assertThat(with.weights()).as("weights, %s", what).isEqualTo(without.weights());
        for (int line = 0; line < with.history().size(); line++) {
            Map<String, Double> expected =
                    new TreeMap<>(without.history().get(line).values());
            Map<String, Double> values = new TreeMap<>(with.history().get(line).values());
            List.of(expected, values)
                    .forEach(all -> all.keySet()
                            .removeIf(name -> name.endsWith("_per_second") || name.startsWith("memory_gib")));
            assertThat(values).as("line %d, %s", line, what).isEqualTo(expected);
        }
    }

    /**
     * Micro-batches of three and of two pairs, in one chunk and in several. The losses: of one pair; with a scale by the
     * tokens of the step, which changes in every step; of a whole micro-batch; with a running mean; with weights of tokens.
     * In one chunk, and in bf16, only the first and one of a whole micro-batch run: the launches of a loss depend neither on
     * the number of chunks nor on the dtype.
     */
    @OnEachDType
    void theBitsAreTheSame(On on) {
        if (!on.device().supportsGraphs()) {
            return;
        }
        Map<String, Supplier<DpoOptions.Builder>> losses = new LinkedHashMap<>();
        losses.put("sigmoid", StepGraphsTest::options);
        losses.put(
                "sigmoid and sft",
                () -> options().lossType(LossType.SIGMOID, LossType.SFT).lossWeights(1, 0.5f));
        losses.put("aot", () -> options().lossType(LossType.AOT));
        losses.put("bco_pair", () -> options().lossType(LossType.BCO_PAIR));
        losses.put(
                "bco_pair with a running mean",
                () -> options().lossType(LossType.BCO_PAIR).bcoRunningMean(true));
        losses.put("ld_alpha", () -> options().ldAlpha(0.5));
        losses.forEach((name, loss) -> {
            boolean isFirstOrWhole = name.equals("sigmoid") || name.equals("aot");
            if (isFirstOrWhole || on.dtype() == DType.F32) {
                assertSameBits(on, loss, FEW_LOGITS, name);
            }
            if (isFirstOrWhole && on.dtype() == DType.F32) {
                assertSameBits(on, loss, ALL_LOGITS, name);
            }
        });
    }

    private static void assertSameBits(On on, Supplier<DpoOptions.Builder> options, long logits, String what) {
        assertSameBits(
                run(on, options.get(), true, logits), run(on, options.get(), false, logits), what + ", " + logits);
    }

    private static void assertSameBits(On on, ModelConfig config, int steps, long logitsBytes, String what) {
        List<TinyRun> runs = new ArrayList<>();
        for (boolean graphs : new boolean[] {true, false}) {
            try (Model model = Model.create(config, on.device(), on.dtype(), 3)) {
                DpoOptions options =
                        options().maxSteps(steps).cudaGraphs(graphs).build();
                runs.add(TinyRun.dpo(model, TinyRun.pairs(8), options, logitsBytes));
            }
        }
        assertSameBits(runs.get(0), runs.get(1), what);
    }

    /** With an untied head, and memory for logits that no chunk fits into: four products each. */
    @OnEachDType
    void theBitsOfAnUntiedHeadAreTheSame(On on) {
        if (on.device().supportsGraphs()) {
            assertSameBits(on, Llama.config(37, 16, 24, 2, 2, 1, 64, false), 8, 4L * 40, "untied");
        }
    }

    /** Hopper has its own kernels for these head widths. A graph holds their tensor maps and counters too. */
    @OnEachBf16Device
    void theBitsOfWideAttentionHeadsAreTheSame(On on) {
        if (on.device().supportsGraphs()) {
            assertSameBits(on, Llama.config(37, 128, 24, 2, 2, 1, 64, true), 4, ALL_LOGITS, "heads of 64");
            assertSameBits(on, Llama.config(37, 256, 24, 1, 2, 1, 64, true), 4, ALL_LOGITS, "heads of 128");
        }
    }

    @OnEachDType
    void theBitsOfSequencesAreTheSame(On on) {
        if (!on.device().supportsGraphs()) {
            return;
        }
        for (long logits : new long[] {ALL_LOGITS, FEW_LOGITS}) {
            assertSameBits(sequences(on, true, logits), sequences(on, false, logits), "sft, " + logits);
        }
    }

    private static TinyRun sequences(On on, boolean graphs, long logitsBytes) {
        TrainOptions options = options().cudaGraphs(graphs).build().train();
        try (Model model = TinyRun.model(on)) {
            return TinyRun.sft(model, TinyRun.sequences(8), options, logitsBytes);
        }
    }

    @OnEachDevice
    void theOptionTurnsGraphsOff(On on) {
        if (!on.name().equals("emulated")) {
            return;
        }
        assertThat(StandIn.count(Event.GRAPH_LAUNCHES, () -> run(on, options().maxSteps(4), false, ALL_LOGITS)))
                .isZero();
    }
}
