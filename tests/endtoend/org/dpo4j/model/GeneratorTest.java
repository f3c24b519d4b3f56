package org.dpo4j.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.dpo4j.model.RefusalAssertions.assertRefused;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.dpo4j.conformance.On;
import org.dpo4j.conformance.OnEachDevice;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Devices;
import org.dpo4j.model.family.Llama;
import org.dpo4j.model.family.ModelConfig;
import org.junit.jupiter.api.Test;

class GeneratorTest {
    private static final Generator.Options GREEDY = new Generator.Options(20, 0);
    private static final Generator.Options WARM = new Generator.Options(6, 1.5);

    /** A golden model, because its logits differ by far more than those of random weights. */
    private static Model model(Device device) {
        return Model.load(TestFiles.golden("llama-tiny"), device, DType.F32);
    }

    /**
     * A conversation of three turns, of which the second continues the text and the third changes its middle: the tokens of a
     * generator that keeps keys are those of one that does not. The cache grows with each turn.
     */
    @OnEachDevice
    void turnsHaveTheTokensOfWholeTexts(On on) {
        try (Model model = model(on.device());
                Generator keeping = new Generator(model);
                Generator other = new Generator(model)) {
            int[] text = {7, 30, 4, 11, 20};
            for (int turn = 0; turn < 4; turn++) {
                Generator.Request request = new Generator.Request(text, 1, turn);
                int[] answer = keeping.generateTurn(request, WARM, Generator.Listener.NONE);
                assertThat(answer)
                        .isEqualTo(other.generate(List.of(request), WARM).get(0).get(0));
                text = Arrays.copyOf(text, text.length + answer.length + 2);
                System.arraycopy(answer, 0, text, request.prompt().length, answer.length);
                text[text.length - 1] = 9;
                text[turn == 1 ? 6 : 0] = turn == 1 ? 3 : 7;
            }
            Generator.Request same = new Generator.Request(text, 1, 8);
            int[] first = keeping.generateTurn(same, WARM, Generator.Listener.NONE);
            assertThat(keeping.generateTurn(same, WARM, Generator.Listener.NONE))
                    .isEqualTo(first);
            assertRefused(
                    () -> keeping.generateTurn(
                            new Generator.Request(new int[] {1}, 2, 0), WARM, Generator.Listener.NONE),
                    "samples is 2; a turn has one");
        }
    }

    /**
     * A double-precision model reads the whole text again without a cache. Each greedy token must have the max logit of
     * that model. The fp32 error of a logit is at most 3e-5 here, so the tolerance of a difference is twice that.
     */
    @OnEachDevice
    void cachedStepsChooseTheTokensOfAModelWithoutCache(On on) {
        for (String name : List.of("llama-tiny", "llama-odd")) {
            try (Model model = Model.load(TestFiles.golden(name), on.device(), DType.F32)) {
                checkGreedy(model);
            }
        }
    }

    private static void checkGreedy(Model model) {
        ReferenceLlama reference = ReferenceLlama.of(model);
        List<Generator.Request> requests = List.of(
                new Generator.Request(new int[] {13}, 1, 0),
                new Generator.Request(new int[] {7, 30, 4, 11, 20}, 2, 0),
                new Generator.Request(new int[] {3, 1, 4, 1, 5, 9, 22}, 1, 0));
        try (Generator generator = new Generator(model)) {
            List<List<int[]>> texts = generator.generate(requests, GREEDY);
            for (int r = 0; r < requests.size(); r++) {
                assertThat(texts.get(r)).hasSize(requests.get(r).samples());
                for (int[] text : texts.get(r)) {
                    List<Integer> ending = model.config().eosTokenIds();
                    checkGreedy(reference, requests.get(r).prompt(), text, ending);
                }
            }
        }
    }

    private static void checkGreedy(ReferenceLlama reference, int[] prompt, int[] text, List<Integer> ending) {
        List<Integer> ids = new ArrayList<>();
        for (int id : prompt) {
            ids.add(id);
        }
        for (int i = 0; i < text.length; i++) {
            double[][] logits =
                    reference.logits(ids.stream().mapToInt(Integer::intValue).toArray());
            double[] last = logits[logits.length - 1];
            for (double logit : last) {
                assertThat(last[text[i]]).isGreaterThanOrEqualTo(logit - 6e-5);
            }
            ids.add(text[i]);
            assertThat(i + 1 == text.length).isEqualTo(ending.contains(text[i]) || i + 1 == GREEDY.maxNewTokens());
        }
    }

    @OnEachDevice
    void aTextDependsOnItsPromptAndSeedOnly(On on) {
        try (Model model = model(on.device());
                Generator generator = new Generator(model)) {
            Generator.Request one = new Generator.Request(new int[] {13, 8}, 3, 1);
            Generator.Request two = new Generator.Request(new int[] {7, 30, 4}, 2, 2);
            List<List<int[]>> together = generator.generate(List.of(one, two), WARM);
            List<List<int[]>> swapped = generator.generate(List.of(two, one), WARM);
            List<int[]> alone = generator.generate(List.of(two), WARM).get(0);
            same(together.get(0), swapped.get(1));
            same(together.get(1), swapped.get(0));
            same(together.get(1), alone);
            assertThat(together.get(0).get(0)).isNotEqualTo(together.get(0).get(1));
            List<int[]> first = generator
                    .generate(List.of(new Generator.Request(one.prompt(), 1, 1)), WARM)
                    .get(0);
            assertThat(first.get(0))
                    .as("the first of one and of three")
                    .isEqualTo(together.get(0).get(0));
            List<int[]> reseeded = generator
                    .generate(List.of(new Generator.Request(one.prompt(), 3, 5)), WARM)
                    .get(0);
            assertThat(reseeded.get(0)).isNotEqualTo(together.get(0).get(0));
        }
    }

    @OnEachDevice
    void aTextEndsAtTheLastPosition(On on) {
        ModelConfig config = Llama.config(40, 16, 24, 1, 2, 1, 8, true).withTokens(null, List.of());
        try (Model model = Model.create(config, on.device(), DType.F32, 3);
                Generator generator = new Generator(model)) {
            Generator.Options options = new Generator.Options(100, 1);
            Generator.Request five = new Generator.Request(new int[] {1, 2, 3, 4, 5}, 1, 0);
            assertThat(generator.generate(List.of(five), options).get(0).get(0)).hasSize(3);
            refused(generator, new Generator.Request(new int[8], 1, 0), "8 tokens, but must have 1 to 7");
            refused(generator, new Generator.Request(new int[0], 1, 0), "0 tokens, but must have 1 to 7");
            refused(generator, new Generator.Request(new int[] {40}, 1, 0), "token id 40");
            refused(generator, new Generator.Request(new int[] {1}, 0, 0), "samples");
        }
        assertThat(on.device().allocatedBytes()).as("bytes still allocated").isZero();
    }

    @OnEachDevice
    void aTextEndsAtEos(On on) {
        try (Model model = model(on.device());
                Generator generator = new Generator(model)) {
            for (int[] text : generator
                    .generate(List.of(new Generator.Request(new int[] {13}, 40, 8)), new Generator.Options(30, 3))
                    .get(0)) {
                for (int i = 0; i < text.length; i++) {
                    boolean isLast = i + 1 == text.length;
                    assertThat(text[i] == 2 || (text.length == 30 && isLast)).isEqualTo(isLast);
                }
            }
        }
    }

    @Test
    void optionsOutOfRangeAreRefused() {
        for (double temperature : new double[] {-1, Double.NaN, Double.POSITIVE_INFINITY}) {
            assertThatThrownBy(() -> new Generator.Options(1, temperature)).hasMessageContaining("temperature");
        }
        assertThatThrownBy(() -> new Generator.Options(0, 1)).hasMessageContaining("max_new_tokens");
        assertThatThrownBy(() -> new Generator.Options(3, 4, Sampling.GREEDY, Set.of()))
                .hasMessageContaining("min_new_tokens is 4");
        assertThatThrownBy(() -> new Sampling(1, -1, 1, 0, 1)).hasMessageContaining("top_k is -1");
        assertThatThrownBy(() -> new Sampling(1, 0, 1.1, 0, 1)).hasMessageContaining("top_p is 1.1");
        assertThatThrownBy(() -> new Sampling(1, 0, 1, -0.1, 1)).hasMessageContaining("min_p is -0.1");
        assertThatThrownBy(() -> new Sampling(1, 0, 1, 0, 0)).hasMessageContaining("repetition_penalty is 0");
    }

    /** Greedy with a penalty: the max of the penalised logits of a double-precision model, as in the test above. */
    @OnEachDevice
    void theRepetitionPenaltyCountsPromptAndText(On on) {
        double penalty = 1.8;
        int[] prompt = {7, 30, 4, 11, 20};
        Generator.Options options = new Generator.Options(12, 0, new Sampling(0, 0, 1, 0, penalty), Set.of());
        try (Model model = model(on.device());
                Generator generator = new Generator(model)) {
            ReferenceLlama reference = ReferenceLlama.of(model);
            List<int[]> texts = generator
                    .generate(List.of(new Generator.Request(prompt, 2, 0)), options)
                    .get(0);
            assertThat(texts.get(1)).isEqualTo(texts.get(0));
            int[] ids = prompt;
            for (int token : texts.get(0)) {
                double[][] logits = reference.logits(ids);
                double[] last = logits[logits.length - 1];
                Arrays.stream(ids).distinct().forEach(id -> last[id] *= last[id] < 0 ? penalty : 1 / penalty);
                assertThat(last[token])
                        .isGreaterThanOrEqualTo(Arrays.stream(last).max().orElseThrow() - 1.1e-4);
                ids = Arrays.copyOf(ids, ids.length + 1);
                ids[ids.length - 1] = token;
            }
            assertThat(texts.get(0))
                    .isNotEqualTo(generator
                            .generate(List.of(new Generator.Request(prompt, 1, 0)), new Generator.Options(12, 0))
                            .get(0)
                            .get(0));
        }
    }

    @OnEachDevice
    void aTextEndsAtAStopTokenButNotTooEarly(On on) {
        try (Model model = model(on.device());
                Generator generator = new Generator(model)) {
            Generator.Request request = new Generator.Request(new int[] {13}, 30, 8);
            Set<Integer> stops = Set.of(5, 6, 7, 8, 9, 10);
            for (int min : new int[] {0, 4}) {
                Generator.Options options = new Generator.Options(12, min, new Sampling(3), stops);
                List<int[]> texts =
                        generator.generate(List.of(request), options).get(0);
                assertThat(texts).anyMatch(text -> text.length < 12);
                for (int[] text : texts) {
                    assertThat(text.length).isGreaterThan(min);
                    for (int i = 0; i < text.length; i++) {
                        boolean isLast = i + 1 == text.length;
                        assertThat(text[i] == 2 || stops.contains(text[i]) || (text.length == 12 && isLast))
                                .isEqualTo(isLast);
                    }
                }
            }
            assertRefused(
                    () -> generator.generate(
                            List.of(request), new Generator.Options(5, 0, Sampling.GREEDY, Set.of(1000))),
                    "stop token 1000");
        }
    }

    /** The options change the chosen tokens, and a text does not depend on the others with all of them. */
    @OnEachDevice
    void everySamplingOptionChangesATextWhateverTheBatch(On on) {
        List<Sampling> options = List.of(
                new Sampling(3),
                new Sampling(2),
                new Sampling(3, 2, 1, 0, 1),
                new Sampling(3, 0, 0.4, 0, 1),
                new Sampling(3, 0, 1, 0.6, 1),
                new Sampling(3, 0, 1, 0, 30));
        Generator.Request one = new Generator.Request(new int[] {13, 8}, 2, 1);
        Generator.Request two = new Generator.Request(new int[] {7, 30, 4}, 1, 2);
        try (Model model = model(on.device());
                Generator generator = new Generator(model)) {
            Set<List<Integer>> texts = new HashSet<>();
            for (Sampling sampling : options) {
                Generator.Options given = new Generator.Options(10, 10, sampling, Set.of());
                List<int[]> together =
                        generator.generate(List.of(two, one), given).get(1);
                same(generator.generate(List.of(one), given).get(0), together);
                texts.add(Arrays.stream(together.get(0)).boxed().toList());
            }
            assertThat(texts).hasSize(options.size());
        }
    }

    @OnEachDevice
    void theListenerGetsEachTokenAndEndsATextEarly(On on) {
        List<Generator.Request> requests =
                List.of(new Generator.Request(new int[] {13}, 1, 0), new Generator.Request(new int[] {7, 30}, 2, 0));
        Map<String, List<Integer>> followed = new HashMap<>();
        List<Integer> ended = new ArrayList<>();
        Generator.Listener listener = new Generator.Listener() {
            @Override
            public boolean token(int request, int sample, int token) {
                List<Integer> text = followed.computeIfAbsent(request + " " + sample, key -> new ArrayList<>());
                text.add(token);
                return request == 0 || text.size() < 3;
            }

            @Override
            public void ended(int request, List<int[]> samples) {
                ended.add(request);
                assertThat(samples).hasSize(request + 1);
            }
        };
        try (Model model = model(on.device());
                Generator generator = new Generator(model)) {
            Generator.Options options = new Generator.Options(6, 6, new Sampling(1), Set.of());
            List<List<int[]>> texts = generator.generate(requests, options, listener);
            assertThat(ended).containsExactly(1, 0);
            assertThat(followed).hasSize(3);
            for (int request = 0; request < 2; request++) {
                for (int sample = 0; sample <= request; sample++) {
                    int[] text = texts.get(request).get(sample);
                    assertThat(text).hasSize(request == 0 ? 6 : 3);
                    assertThat(followed.get(request + " " + sample))
                            .isEqualTo(Arrays.stream(text).boxed().toList());
                }
            }
        }
    }

    private static void refused(Generator generator, Generator.Request request, String word) {
        assertRefused(() -> generator.generate(List.of(request), WARM), word);
    }

    private static void same(List<int[]> left, List<int[]> right) {
        assertThat(left).hasSameSizeAs(right);
        for (int i = 0; i < left.size(); i++) {
            assertThat(left.get(i)).isEqualTo(right.get(i));
        }
    }

    /** 256 sequences run at once, so the memory is theirs. Each sample has its own random numbers. */
    @OnEachDevice
    void manySamplesRunInParts(On on) {
        int[] prompt = {13, 4};
        Generator.Options options = new Generator.Options(6, 1.5);
        Set<Integer> begun = new HashSet<>();
        List<Integer> ended = new ArrayList<>();
        Generator.Listener listener = new Generator.Listener() {
            @Override
            public boolean token(int request, int sample, int token) {
                begun.add(sample);
                return true;
            }

            @Override
            public void ended(int request, List<int[]> samples) {
                ended.add(request);
                assertThat(samples).hasSize(request == 1 ? 300 : 2);
            }
        };
        try (Device device = Devices.open(on.device().name(), notice -> {});
                Model model = model(device);
                Generator generator = new Generator(model)) {
            List<Generator.Request> requests = List.of(
                    new Generator.Request(prompt, 2, 9),
                    new Generator.Request(prompt, 300, 9),
                    new Generator.Request(prompt, 2, 9));
            long full = generator.bytes(List.of(new Generator.Request(prompt, 256, 9)), options);
            assertThat(generator.bytes(requests, options)).isEqualTo(full);
            long before = device.allocatedBytes();
            List<List<int[]>> texts = generator.generate(requests, options, listener);
            assertThat(device.peakAllocatedBytes() - before).isLessThanOrEqualTo(full);
            assertThat(ended).containsExactly(0, 1, 2);
            assertThat(begun).hasSize(300).contains(299);
            same(texts.get(1).subList(0, 2), texts.get(0));
            assertThat(ids(texts.get(1).subList(256, 300)))
                    .isNotEqualTo(ids(texts.get(1).subList(0, 44)));
        }
    }

    private static List<List<Integer>> ids(List<int[]> texts) {
        return texts.stream().map(text -> Arrays.stream(text).boxed().toList()).toList();
    }

    /** 256 samples of 9,999,999 tokens, and the prompt's one, are more rows than an int counts. */
    @Test
    void moreRowsThanAnIntCountsAreRefused() {
        ModelConfig config = Llama.config(37, 16, 24, 1, 2, 1, 10_000_000, true);
        try (Device device = Devices.cpu(1);
                Model model = Model.create(config, device, DType.F32, 1);
                Generator generator = new Generator(model)) {
            List<Generator.Request> many = List.of(new Generator.Request(new int[] {13}, 1000, 0));
            Generator.Options options = new Generator.Options(1_000_000_000, 1);
            assertRefused(() -> generator.generate(many, options), "max_new_tokens", "2559999745 rows", "256 texts");
        }
    }
}
