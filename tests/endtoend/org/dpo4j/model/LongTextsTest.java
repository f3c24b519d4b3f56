package org.dpo4j.model;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.stream.IntStream;
import org.dpo4j.conformance.On;
import org.dpo4j.conformance.OnEachDType;
import org.dpo4j.conformance.OnEachDevice;
import org.dpo4j.conformance.StandIn;
import org.dpo4j.conformance.StandIn.Event;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Devices;
import org.dpo4j.model.family.Llama;
import org.dpo4j.model.family.ModelConfig;
import org.junit.jupiter.api.io.TempDir;

/** Generation over more keys than {@link org.dpo4j.kernels.decoder.Attention#RANGE_KEYS}, which cuda splits, and its graphs. */
class LongTextsTest {
    private static final ModelConfig CONFIG =
            Llama.config(37, 16, 24, 2, 2, 1, 1024, true).withTokens(null, List.of());

    @TempDir
    private Path directory;

    private static int[] tokens(int seed, int count) {
        return new Random(seed).ints(count, 3, 37).toArray();
    }

    private static Generator.Options options(int tokens, Sampling sampling) {
        return new Generator.Options(tokens, tokens, sampling, Set.of());
    }

    /** A golden model, whose logits differ by more than those of random weights, with more positions. */
    private Model model(Device device) {
        Path copy = TestFiles.copyModel("llama-tiny", directory.resolve("model"));
        Path config = copy.resolve("config.json");
        TestFiles.write(
                config,
                TestFiles.read(config).replace("\"max_position_embeddings\": 64", "\"max_position_embeddings\": 1024"));
        return Model.load(copy, device, DType.F32);
    }

    /**
     * A double-precision model reads the whole text again without a cache. Each greedy token must have the max logit of that
     * model. Rotary angles are rounded to 2^-24 of up to 300 radians, so keys and queries are off by 2e-5 of their size; a
     * logit, which is below 10, by less than 2e-4, and a difference of two by twice that.
     */
    @OnEachDevice
    void greedyTokensAreThoseOfAModelWithoutCache(On on) {
        List<int[]> prompts = List.of(tokens(1, 252), tokens(2, 9), tokens(3, 290));
        try (Model model = model(on.device());
                Generator generator = new Generator(model)) {
            ReferenceLlama reference = ReferenceLlama.of(model);
            List<Generator.Request> requests = prompts.stream()
                    .map(ids -> new Generator.Request(ids, 1, 0))
                    .toList();
            List<List<int[]>> texts = generator.generate(requests, options(7, Sampling.GREEDY));
            for (int i = 0; i < prompts.size(); i++) {
                int[] ids = prompts.get(i);
                for (int token : texts.get(i).get(0)) {
                    double[][] logits = reference.logits(ids);
                    double[] last = logits[logits.length - 1];
                    last[2] = Double.NEGATIVE_INFINITY; // the end is not chosen before the last token
                    assertThat(last[token])
                            .isGreaterThanOrEqualTo(Arrays.stream(last).max().orElseThrow() - 4e-4);
                    ids = Arrays.copyOf(ids, ids.length + 1);
                    ids[ids.length - 1] = token;
                }
            }
        }
    }

    /** A text has the same tokens alone and beside a longer text, with which keys are split into more ranges. */
    @OnEachDevice
    void aTextDoesNotDependOnLongerOnes(On on) {
        try (Model model = model(on.device());
                Generator generator = new Generator(model)) {
            Generator.Options options = options(12, new Sampling(1.5));
            Generator.Request shorter = new Generator.Request(tokens(1, 250), 3, 1);
            Generator.Request longer = new Generator.Request(tokens(2, 600), 2, 2);
            List<List<int[]>> together = generator.generate(List.of(shorter, longer), options);
            List<int[]> alone = generator.generate(List.of(shorter), options).get(0);
            for (int i = 0; i < 3; i++) {
                assertThat(alone.get(i)).isEqualTo(together.get(0).get(i));
            }
            assertThat(generator.generate(List.of(longer), options).get(0).get(1))
                    .isEqualTo(together.get(1).get(1));
        }
    }

    /** The counts of all events when a token arrives. */
    private static Map<Event, Long> counts() {
        Map<Event, Long> now = new EnumMap<>(Event.class);
        for (Event event : Event.values()) {
            now.put(event, StandIn.counted(event));
        }
        return now;
    }

    private static long count(Map<Event, Long> before, Map<Event, Long> after, Event event) {
        return after.getOrDefault(event, 0L) - before.getOrDefault(event, 0L);
    }

    /**
     * A step is one graph launch, once its sizes have occurred twice, and its sizes do not change with the position, until
     * there are twice as many keys. The first token comes after the prompt, the second after the step with 252 keys.
     */
    @OnEachDType
    void aStepIsOneGraph(On on) {
        if (!on.name().equals("emulated")) {
            return; // the stand-in counts
        }
        try (Device device = Devices.cuda(0);
                Model model = Model.create(CONFIG, device, on.dtype(), 3);
                Generator generator = new Generator(model)) {
            List<Map<Event, Long>> atToken = new ArrayList<>();
            generator.generate(
                    List.of(new Generator.Request(tokens(1, 251), 1, 0)),
                    options(30, new Sampling(1)),
                    (request, sample, token) -> atToken.add(counts()));
            for (int token = 1; token < 30; token++) {
                int keys = 251 + token;
                boolean isNew = token <= 2 || keys == 257 || keys == 258;
                Map<Event, Long> before = atToken.get(token - 1);
                Map<Event, Long> after = atToken.get(token);
                for (Event event : List.of(Event.LAUNCHES, Event.CAPTURES, Event.ALLOCATIONS)) {
                    if (!isNew) {
                        assertThat(after.get(event))
                                .as("%s with %d keys", event, keys)
                                .isEqualTo(before.get(event));
                    }
                }
                if (!isNew) {
                    assertThat(count(before, after, Event.GRAPH_LAUNCHES)).isEqualTo(1);
                    // the copy of the tokens to memory that is not pinned, and the wait for it
                    assertThat(count(before, after, Event.WAITS)).isLessThanOrEqualTo(2);
                }
            }
        }
    }

    /**
     * 24 texts end one after another. Ended ones are computed again until fewer sizes suffice: 24, 20, 16, 14, 12, 10 and then 8
     * to 1 texts, each with a graph. The tokens are those of texts of which none ends.
     */
    @OnEachDevice
    void endedTextsKeepTheGraph(On on) {
        if (!on.name().equals("emulated")) {
            return; // the stand-in counts
        }
        int count = 24;
        try (Device device = Devices.cuda(0);
                Model model = Model.create(CONFIG, device, DType.F32, 3);
                Generator generator = new Generator(model)) {
            List<Generator.Request> requests = List.of(new Generator.Request(tokens(1, 5), count, 4));
            Generator.Options options = options(3 * count + 3, new Sampling(1, 0, 1, 0, 1.3));
            Map<Integer, Integer> lengths = new HashMap<>();
            Generator.Listener ending =
                    (request, sample, token) -> lengths.merge(sample, 1, Integer::sum) < 3 * (count - sample);
            long before = StandIn.counted(Event.CAPTURES);
            List<int[]> ended = generator.generate(requests, options, ending).get(0);
            assertThat(StandIn.counted(Event.CAPTURES) - before).isEqualTo(14);
            List<int[]> whole = generator.generate(requests, options).get(0);
            for (int i = 0; i < count; i++) {
                assertThat(ended.get(i)).isEqualTo(Arrays.copyOf(whole.get(i), 3 * (count - i)));
            }
        }
    }

    @OnEachDevice
    void stepsAreThoseOfTheGenerator(On on) {
        List<int[]> prompts =
                IntStream.range(0, 3).mapToObj(i -> tokens(i, 255 + i)).toList();
        try (Model model = model(on.device());
                Generator generator = new Generator(model);
                GenerationSteps steps = new GenerationSteps(model, prompts)) {
            List<List<int[]>> texts = generator.generate(
                    prompts.stream()
                            .map(ids -> new Generator.Request(ids, 1, 0))
                            .toList(),
                    new Generator.Options(2, 0));
            for (int time = 0; time < 3; time++) {
                int[] tokens = steps.step();
                for (int i = 0; i < 3; i++) {
                    int[] text = texts.get(i).get(0);
                    if (text.length == 2) {
                        assertThat(tokens[i]).isEqualTo(text[1]);
                    }
                }
            }
            assertThat(steps.shareBelowMax(1, steps.step()[1])).isBetween(0.0, 1e-5);
        }
        assertThat(on.device().allocatedBytes()).as("bytes still allocated").isZero();
    }
}
