package org.dpo4j.model;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.dpo4j.conformance.On;
import org.dpo4j.conformance.OnEachDType;
import org.dpo4j.conformance.OnEachDevice;
import org.dpo4j.conformance.StandIn;
import org.dpo4j.conformance.StandIn.Event;
import org.dpo4j.data.PackedBatch;
import org.dpo4j.data.Sequence;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.DeviceBuffer;
import org.dpo4j.model.family.Llama;
import org.dpo4j.model.family.ModelConfig;

/** A pass that replays CUDA graphs gives the same bits as a pass that launches each kernel, whatever ran before. */
class GraphsTest {
    private static final ModelConfig CONFIG = Llama.config(37, 16, 24, 2, 2, 1, 1024, true);

    /** Rows of logits that fit: batches of more completion tokens have several chunks. */
    private static final int LOGITS_ROWS = 24;

    private static PackedBatch batch(Random random, int... lengths) {
        List<Sequence> sequences = new ArrayList<>();
        for (int length : lengths) {
            int completion = Math.min(length - 1, 2 + random.nextInt(8));
            sequences.add(new Sequence(
                    0,
                    random.ints(length - completion, 0, 37).toArray(),
                    random.ints(completion, 0, 37).toArray()));
        }
        return PackedBatch.sequences(sequences);
    }

    /** A model's passes, with or without graphs. */
    private static final class Passes implements AutoCloseable {
        final Model model;
        final TrainingModel language;
        final GivenGradient loss;

        Passes(Model model, int group, boolean graphs) {
            this.model = model;
            language = new TrainingModel(
                    model, new TrainingModel.Options(CompletionSums.PLAIN, 4L * 40 * LOGITS_ROWS, graphs));
            loss = new GivenGradient(model.device(), 8, 80, group);
        }

        /** Log-probs and all gradients of one pass, one after the other as floats. */
        float[] pass(PackedBatch batch) {
            Parameters parameters = model.parameters();
            parameters.zeroGradients();
            float[] dSums = new float[batch.completions()];
            for (int i = 0; i < dSums.length; i++) {
                dSums[i] = 0.5f - 0.125f * i;
            }
            loss.accumulate(language, batch, dSums);
            float[] tokens = loss.tokens();
            float[] gradients =
                    model.device().downloadFloats(parameters.gradients(), Math.toIntExact(parameters.count()));
            float[] both = Arrays.copyOf(tokens, tokens.length + gradients.length);
            System.arraycopy(gradients, 0, both, tokens.length, gradients.length);
            return both;
        }

        @Override
        public void close() {
            language.close();
            loss.close();
        }
    }

    private static final class Both implements AutoCloseable {
        final Model model;
        final Passes graphs;
        final Passes launches;
        final Random random = new Random(4);

        Both(On on, int group) {
            this(on, CONFIG, group);
        }

        Both(On on, ModelConfig config, int group) {
            model = Model.create(config, on.device(), on.dtype(), 3);
            graphs = new Passes(model, group, true);
            launches = new Passes(model, group, false);
        }

        void same(int... lengths) {
            PackedBatch batch = batch(random, lengths);
            assertThat(graphs.pass(batch))
                    .as("batch of %s", Arrays.toString(lengths))
                    .isEqualTo(launches.pass(batch));
        }

        @Override
        public void close() {
            List.of(graphs, launches).forEach(Passes::close);
            model.close();
        }
    }

    /**
     * Each size that a graph depends on changes alone, then occurs again: rows, segments, the longest segment, rows and
     * completions of loss chunks. Activations and the rotary table move when a batch is larger than any before. The loss
     * has several chunks, or one for the whole batch. The long sequence tests only the rotary table, which depends neither
     * on chunks nor on the dtype. In bf16 the loss of the whole batch has only the first two shapes, of one bucket.
     */
    @OnEachDType
    void theBitsAreThoseOfLaunches(On on) {
        if (!on.device().supportsGraphs()) {
            return;
        }
        for (int group : new int[] {1, CompletionLoss.WHOLE_BATCH}) {
            try (Both both = new Both(on, group)) {
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
                boolean isShort = group != 1 && on.dtype() != DType.F32;
                for (int round = 0; round < 3; round++) {
                    for (int[] shape : isShort ? Arrays.copyOf(shapes, 2) : shapes) {
                        boolean isLong = shape[0] > 500;
                        if (!isLong || round < 2 && group == 1 && on.dtype() == DType.F32) {
                            both.same(shape);
                        }
                    }
                }
            }
        }
    }

    /** The index arrays of learned positions, and the gradient of an input that both branches have. */
    @OnEachDevice
    void theBitsOfOtherBlocksAreThoseOfLaunches(On on) {
        if (!on.device().supportsGraphs()) {
            return;
        }
        for (ModelConfig config : GptConfigs.ALL) {
            try (Both both = new Both(on, config, 1)) {
                for (int round = 0; round < 3; round++) {
                    both.same(20, 30, 40);
                    both.same(31, 32, 27); // the same bucket
                }
            }
        }
    }

    /** With one chunk: from the third time on, its launches and those of the two passes of the decoder are three graphs. */
    @OnEachDType
    void aBucketIsCapturedOnce(On on) {
        if (!on.name().equals("emulated")) {
            return;
        }
        try (Both both = new Both(on, 1)) {
            int[] shape = {20, 30, 40};
            assertThat(count(Event.LAUNCHES, both, 4, shape)).isPositive();
            assertThat(count(Event.CAPTURES, both, 4, shape)).isEqualTo(3);
            for (int[] again : new int[][] {{31, 32, 27}, {40, 21, 29}, shape}) {
                assertThat(count(Event.CAPTURES, both, 4, again)).isZero();
                assertThat(count(Event.LAUNCHES, both, 5, again)).isZero();
                assertThat(count(Event.GRAPH_LAUNCHES, both, 3, again)).isEqualTo(3);
            }
        }
        assertThat(on.device().allocatedBytes()).as("bytes still allocated").isZero();
    }

    /** A batch with two chunks of one size launches the same graph twice. A batch with one such chunk launches it too. */
    @OnEachDType
    void chunksOfOneSizeShareAGraph(On on) {
        if (!on.name().equals("emulated")) {
            return;
        }
        try (Both both = new Both(on, 1)) {
            count(Event.LAUNCHES, both, 18, 20, 30); // 36 tokens of 24 rows: the chunk of a completion occurs twice
            assertThat(count(Event.LAUNCHES, both, 18, 20, 30)).isZero();
            assertThat(count(Event.GRAPH_LAUNCHES, both, 17, 20, 30)).isEqualTo(4);
            count(Event.LAUNCHES, both, 17, 30);
            assertThat(count(Event.CAPTURES, both, 19, 30)).isEqualTo(2); // the decoder's
            assertThat(count(Event.LAUNCHES, both, 20, 30)).isZero();
        }
    }

    /** The number of events in a pass over sequences with this number of completion tokens each. */
    private static long count(Event event, Both both, int completion, int... lengths) {
        List<Sequence> sequences = new ArrayList<>();
        for (int length : lengths) {
            sequences.add(new Sequence(
                    0,
                    both.random.ints(length - completion, 0, 37).toArray(),
                    both.random.ints(completion, 0, 37).toArray()));
        }
        PackedBatch batch = PackedBatch.sequences(sequences);
        return StandIn.count(event, () -> both.graphs.pass(batch));
    }

    /**
     * A graph uses the addresses of its capture, so memory that moved has another key: a model that frees and allocates
     * memory between passes has the same bits as one that does not.
     */
    @OnEachDevice
    void memoryThatMovedHasAnotherKey(On on) {
        if (!on.name().equals("emulated")) {
            return;
        }
        try (Both both = new Both(on, 1)) {
            int[] small = {20, 30};
            count(Event.LAUNCHES, both, 4, small);
            count(Event.LAUNCHES, both, 4, small);
            assertThat(count(Event.CAPTURES, both, 4, small)).isZero();
            both.same(520, 300); // activations need more memory, and the rotary table has more positions
            assertThat(count(Event.LAUNCHES, both, 4, small)).isPositive();
            for (int time = 0; time < 3; time++) {
                count(Event.LAUNCHES, both, 4, small);
                both.same(small);
            }
            assertThat(count(Event.LAUNCHES, both, 4, small)).isZero();
        }
    }

    /** With more keys than graphs are kept, the graph of a rare key gives way to a key that is more than twice as frequent. */
    @OnEachDType
    void theGraphOfTheRarestKeyGivesWay(On on) {
        if (!on.name().equals("emulated")) {
            return;
        }
        try (Graphs graphs = new Graphs(on.device(), true);
                DeviceBuffer memory = on.device().allocate(16)) {
            int max = Graphs.MAX_GRAPHS;
            int last = max + 1;
            assertThat(captures(on, graphs, memory, 1, last)).isZero();
            assertThat(captures(on, graphs, memory, 1, last)).isEqualTo(max);
            assertThat(captures(on, graphs, memory, 2, last)).isZero(); // 3 uses of each, but 2 of key 1
            assertThat(captures(on, graphs, memory, last, last)).isZero(); // 4, which is not more than twice 2
            assertThat(captures(on, graphs, memory, last, last)).isEqualTo(1);
            assertThat(graphs.count()).isEqualTo(max);
            assertThat(graphs.nodes()).isEqualTo(max);
            assertThat(captures(on, graphs, memory, 2, last)).isZero();
            assertThat(captures(on, graphs, memory, 1, 1)).isZero(); // launched as without graphs
        }
    }

    /** If memory moves, the keys of before do not occur any more, and their graphs would keep their memory for ever. */
    @OnEachDType
    void theGraphOfAForgottenKeyIsClosed(On on) {
        if (!on.name().equals("emulated")) {
            return;
        }
        try (Graphs graphs = new Graphs(on.device(), true);
                DeviceBuffer memory = on.device().allocate(16)) {
            captures(on, graphs, memory, 1, 2);
            captures(on, graphs, memory, 1, 2);
            assertThat(graphs.count()).isEqualTo(2);
            for (int time = 2; time < Graphs.HISTORY; time++) {
                captures(on, graphs, memory, 2, 2);
            }
            assertThat(graphs.count()).isEqualTo(2);
            captures(on, graphs, memory, 2, 2);
            assertThat(graphs.count()).isEqualTo(1);
        }
    }

    /** The estimate of a run's graphs counts at least the nodes that a pass has. The second pass is captured. */
    @OnEachDType
    void graphsHaveAtMostTheNodesThatTheMemoryPlanCounts(On on) {
        if (!on.name().equals("emulated")) {
            return;
        }
        for (ModelConfig config : configsWithAllKindsOfBlocks()) {
            for (boolean isRecomputed : new boolean[] {false, true}) {
                nodesAreCounted(on, config, isRecomputed);
            }
        }
    }

    private static List<ModelConfig> configsWithAllKindsOfBlocks() {
        List<ModelConfig> configs = new ArrayList<>(GptConfigs.ALL);
        configs.add(CONFIG);
        return configs;
    }

    private static void nodesAreCounted(On on, ModelConfig config, boolean isRecomputed) {
        try (Model model = Model.create(config, on.device(), on.dtype(), 3)) {
            TrainingModel.Options options =
                    new TrainingModel.Options(CompletionSums.PLAIN, 1 << 20, true, null, isRecomputed);
            try (TrainingModel training = new TrainingModel(model, options);
                    GivenGradient loss = new GivenGradient(model.device(), 8, 80, 1)) {
                for (int time = 0; time < 2; time++) {
                    loss.accumulate(training, batch(new Random(1), 20, 30, 40), new float[3]);
                }
                long nodes = training.decoderNodes();
                assertThat(nodes)
                        .as("nodes of %d layers", config.architecture().layerCount())
                        .isPositive()
                        .isLessThanOrEqualTo(TrainingDecoder.maxNodes(model, isRecomputed));
            }
        }
    }

    /** The number of captures while work runs with the keys from first to last. */
    private static long captures(On on, Graphs graphs, DeviceBuffer memory, int first, int last) {
        return StandIn.count(Event.CAPTURES, () -> {
            for (int key = first; key <= last; key++) {
                graphs.run(key, () -> on.device().fill(memory.address(), 0, 16));
            }
        });
    }
}
