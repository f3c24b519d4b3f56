package org.dpo4j.model;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.dpo4j.conformance.On;
import org.dpo4j.conformance.OnEachDType;
import org.dpo4j.conformance.StandIn;
import org.dpo4j.conformance.StandIn.Event;
import org.dpo4j.data.PackedBatch;
import org.dpo4j.data.Sequence;
import org.dpo4j.kernels.Device;

/** Passes as graphs: the bits of passes launch by launch, whatever came between. */
class PassGraphsTest {
    private static final LlamaConfig CONFIG = LlamaConfig.of(37, 16, 24, 2, 2, 1, 1024, true);

    private static PackedBatch batch(Random random, int... lengths) {
        List<Sequence> sequences = new ArrayList<>();
        for (int length : lengths) {
            sequences.add(new Sequence(
                    0,
                    random.ints(length - 2, 0, 37).toArray(),
                    random.ints(2, 0, 37).toArray()));
        }
        return PackedBatch.sequences(sequences);
    }

    /** Log-probs and all gradients of one pass, one after the other as floats. */
    private static float[] pass(LanguageModel language, PackedBatch batch) {
        Device device = language.model().device();
        Parameters parameters = language.model().parameters();
        parameters.zeroGradients();
        try (var dSums = device.allocate(4L * batch.completions())) {
            float[] ones = new float[batch.completions()];
            Arrays.fill(ones, 0.5f);
            device.upload(dSums.address(), ones);
            LogProbs logProbs = language.accumulate(batch, (of, first, count) -> dSums.address() + 4L * first);
            float[] tokens = device.downloadFloats(logProbs.tokens(), batch.tokens());
            float[] gradients = device.downloadFloats(parameters.gradients(), Math.toIntExact(parameters.count()));
            float[] both = Arrays.copyOf(tokens, tokens.length + gradients.length);
            System.arraycopy(gradients, 0, both, tokens.length, gradients.length);
            return both;
        }
    }

    private static final class Both implements AutoCloseable {
        final Model model;
        final LanguageModel graphs;
        final LanguageModel launches;
        final Random random = new Random(4);

        Both(On on) {
            model = Model.create(CONFIG, on.device(), on.dtype(), 3);
            graphs = LanguageModel.training(model, CompletionSums.PLAIN, LanguageModel.TRAINING_LOGITS_BYTES, true);
            launches = LanguageModel.training(model, CompletionSums.PLAIN, LanguageModel.TRAINING_LOGITS_BYTES, false);
        }

        void same(int... lengths) {
            PackedBatch batch = batch(random, lengths);
            assertThat(pass(graphs, batch))
                    .as("batch of %s", Arrays.toString(lengths))
                    .containsExactly(pass(launches, batch));
        }

        @Override
        public void close() {
            List.of(graphs, launches).forEach(LanguageModel::close);
            model.close();
        }
    }

    /**
     * Each size that a graph depends on in turn changes alone, then comes again: rows, segments, the longest segment,
     * the memory of activations and the rotary table, which both move when a batch is larger than any before.
     */
    @OnEachDType
    void theBitsAreThoseOfLaunches(On on) {
        if (!on.device().captures()) {
            return;
        }
        try (Both both = new Both(on)) {
            int[][] shapes = {
                {20, 30, 40}, // 87 rows: a bucket of 88, 4 segments, 64 queries
                {31, 32, 27}, // the same bucket
                {50, 30, 40}, // of 120 rows
                {10, 10, 10, 20, 40}, // of 8 segments
                {70, 10, 10}, // of 128 queries
                {85, 5},
                {200, 100}, // larger than all: everything moves
                {520}, // beyond the first rotary table
            };
            for (int round = 0; round < 3; round++) {
                for (int[] shape : shapes) {
                    if (round < 2 || shape[0] < 500) {
                        both.same(shape);
                    }
                }
            }
        }
    }

    /** The first pass of a bucket is launches, the second a capture, and all from there on are two graphs. */
    @OnEachDType
    void aBucketIsCapturedOnce(On on) {
        if (!on.name().equals("emulated")) {
            return;
        }
        try (Both both = new Both(on)) {
            int[] shape = {20, 30, 40};
            long first = StandIn.count(Event.LAUNCHES, () -> pass(both.graphs, batch(both.random, shape)));
            long captures = StandIn.count(Event.CAPTURES, () -> pass(both.graphs, batch(both.random, shape)));
            assertThat(captures).isEqualTo(2);
            for (int[] again : new int[][] {{31, 32, 27}, {40, 21, 29}, shape}) {
                PackedBatch batch = batch(both.random, again);
                assertThat(StandIn.count(Event.CAPTURES, () -> pass(both.graphs, batch)))
                        .isZero();
                assertThat(StandIn.count(Event.GRAPH_LAUNCHES, () -> pass(both.graphs, batch)))
                        .isEqualTo(2);
                // kernels of a layer forward: norm, rope, attention, norm, swiglu; and of its backward pass more than
                // as
                // many; and the embedding
                long launches = StandIn.count(Event.LAUNCHES, () -> pass(both.graphs, batch));
                assertThat(launches).isLessThanOrEqualTo(first - 2 * (5 + 5) - 1);
            }
        }
        assertThat(on.device().allocatedBytes()).as("bytes still allocated").isZero();
    }

    /** More buckets than are kept: those that were not used for longest are captured again. */
    @OnEachDType
    void oldGraphsGo(On on) {
        if (!on.name().equals("emulated")) {
            return;
        }
        try (Both both = new Both(on)) {
            int more = PassGraphs.MOST + 2;
            captures(both, more, more); // memory is laid for the largest, and stays where it is
            captures(both, 1, more);
            assertThat(captures(both, 1, more)).isEqualTo(2 * more);
            assertThat(captures(both, more - 2, more)).isZero();
            assertThat(captures(both, 1, 3)).isEqualTo(2 * 3);
        }
    }

    /** Of passes of 8 first, 8 (first + 1), ... to 8 last rows. */
    private static long captures(Both both, int first, int last) {
        return StandIn.count(Event.CAPTURES, () -> {
            for (int i = first; i <= last; i++) {
                pass(both.graphs, batch(both.random, 4 * i + 1, 4 * i + 1));
            }
        });
    }
}
