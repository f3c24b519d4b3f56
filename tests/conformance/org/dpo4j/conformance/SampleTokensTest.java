package org.dpo4j.conformance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.dpo4j.conformance.SampleTokensCall.SEED;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.StreamSupport;
import org.dpo4j.conformance.Refusals.Arguments;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.internal.Native;
import org.dpo4j.kernels.internal.Status;
import org.dpo4j.testkit.Draw;
import org.dpo4j.testkit.ReferenceSampleTokens;
import org.dpo4j.testkit.ReferenceSampleTokens.Options;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

class SampleTokensTest {
    /**
     * How far a cumulative probability may be from that in double precision. The relative error of exp(t) is at most
     * (|t| + 9) u, u = 2^-24: |t| for rounding t, 9 for the function (4.5 ulp). The weighted mean of |t| over the ids
     * is at most log(vocabulary), which is below 9 here. A cumulative probability is a quotient of two sums: twice 18
     * u, 2.2e-6. Rounding masses to integers adds less than 2^-40.
     */
    private static final double NEAR = 2.2e-6;

    private static final Set<Integer> SEEN = Set.of(0, 3, 31);

    private static final List<Options> OPTIONS = List.of(
            new Options(1, 0, 1, 0),
            new Options(0.6, 0, 1, 0),
            new Options(1, 3, 1, 0),
            new Options(1, 1, 1, 0),
            new Options(1.3, 40, 1, 0),
            new Options(1, 0, 0.9, 0),
            new Options(1, 0, 0, 0),
            new Options(1, 0, 1, 0.1),
            new Options(1, 0, 1, 1),
            new Options(0.8, 50, 0.7, 0.02),
            new Options(1.7, 0.9, 20, 0.95, 0.01, SEEN, Set.of()),
            new Options(0.5, 1.5, 0, 0.95, 0.3, SEEN, Set.of(2)));

    @OnEachDevice
    @Tag("small")
    void tokensAreThoseOfTheReference(On on) {
        for (int vocabulary : new int[] {1, 4, 33, 1003, 5000}) {
            for (Options given : OPTIONS) {
                Options options = fitting(given, vocabulary);
                double[][] logits = rows(on.cuda() ? 1 : 6, vocabulary, 3);
                check(on, options, logits);
            }
        }
    }

    /** Scores are multiples of 1/2, so that many are equal: top_k keeps all of them, top_p the lowest ids. */
    @OnEachDevice
    @Tag("small")
    void equalScores(On on) {
        for (Options options : OPTIONS) {
            double[][] logits = rows(on.cuda() ? 2 : 6, 75, 1);
            for (double[] row : logits) {
                Arrays.setAll(row, id -> Math.rint(2 * row[id]) / 2);
            }
            check(on, options, logits);
        }
    }

    /** Without the ids that the vocabulary lacks. */
    private static Options fitting(Options options, int vocabulary) {
        Set<Integer> seen =
                options.seen().stream().filter(id -> id < vocabulary).collect(Collectors.toSet());
        Set<Integer> suppressed =
                options.suppressed().stream().filter(id -> id < vocabulary - 1).collect(Collectors.toSet());
        return new Options(
                options.penalty(),
                options.temperature(),
                options.topK(),
                options.topP(),
                options.minP(),
                seen,
                suppressed);
    }

    private static double[][] rows(int count, int vocabulary, double scale) {
        Draw draw = new Draw(vocabulary);
        return IntStream.range(0, count)
                .mapToObj(row -> Arrays.stream(draw.normal(vocabulary, scale))
                        .map(x -> (float) x)
                        .toArray())
                .toArray(double[][]::new);
    }

    private static void check(On on, Options options, double[][] logits) {
        SampleTokensCall call = new SampleTokensCall(on, options);
        int[] tokens = call.tokens(logits);
        for (int row = 0; row < tokens.length; row++) {
            double[] probabilities =
                    ReferenceSampleTokens.probabilities(ReferenceSampleTokens.scores(logits[row], options), options);
            double uniform = ReferenceSampleTokens.uniform(SEED, row, call.number());
            assertThat(tokens[row])
                    .as("%d ids, %s, row %d", logits[row].length, options, row)
                    .isBetween(
                            ReferenceSampleTokens.inverse(probabilities, uniform - NEAR),
                            ReferenceSampleTokens.inverse(probabilities, uniform + NEAR));
            assertThat(probabilities[tokens[row]]).isPositive();
        }
    }

    /** Probabilities of transformers' processors, in fp32: softmax and cumulative sum of 24 numbers err by 30 u. */
    @Test
    void theReferenceComputesTheProbabilitiesOfTransformers() {
        cases().forEach((name, golden) -> {
            double[] expected = Golden.numbers(golden.get("probabilities"));
            double[] actual = probabilities(golden);
            if (name.endsWith(
                    "ties")) { // torch.sort is not stable: which of several equal ids top_p keeps is undefined
                Arrays.sort(expected);
                Arrays.sort(actual);
            }
            for (int id = 0; id < expected.length; id++) {
                assertThat(actual[id]).as(name + " " + id).isCloseTo(expected[id], within(2e-6));
                assertThat(actual[id] > 0).as(name + " " + id).isEqualTo(expected[id] > 0);
            }
        });
    }

    /**
     * The counts of n draws of all golden cases, by a chi-square test. By Laurent and Massart (2000, lemma 1), the
     * statistic of d + 1 ids exceeds d + 2 sqrt(d x) + 2 x with a probability of at most exp(-x). The draws are fixed:
     * the bound with x = 14, one in a million, fails only if the distribution is wrong.
     */
    @OnEachDevice
    @Tag("large")
    void drawsFollowTheProbabilitiesOfTransformers(On on) {
        int n = on.cuda() ? 400 : 4000;
        cases().forEach((name, golden) -> {
            double[] expected = probabilities(golden);
            int[] counts = new int[expected.length];
            int[] tokens = new SampleTokensCall(on, options(golden))
                    .logitsRows(new int[n])
                    .tokens(Golden.numbers(golden.get("logits")));
            Arrays.stream(tokens).forEach(token -> counts[token]++);
            double statistic = 0;
            int ids = 0;
            for (int id = 0; id < counts.length; id++) {
                if (expected[id] == 0) {
                    assertThat(counts[id]).as(name + " " + id).isZero();
                } else {
                    double mean = n * expected[id];
                    statistic += (counts[id] - mean) * (counts[id] - mean) / mean;
                    ids++;
                }
            }
            double d = ids - 1;
            assertThat(statistic).as(name).isLessThan(d + 2 * Math.sqrt(14 * d) + 28);
        });
    }

    private static Map<String, JsonNode> cases() {
        Map<String, JsonNode> cases = new LinkedHashMap<>();
        Golden.read("sample_tokens.json")
                .get("cases")
                .forEach(one -> cases.put(one.get("name").textValue(), one));
        assertThat(cases).hasSize(18);
        return cases;
    }

    private static double[] probabilities(JsonNode golden) {
        Options options = options(golden);
        return ReferenceSampleTokens.probabilities(
                ReferenceSampleTokens.scores(Golden.numbers(golden.get("logits")), options), options);
    }

    private static Options options(JsonNode golden) {
        JsonNode options = golden.get("options");
        return new Options(
                options.path("repetition_penalty").asDouble(1),
                options.path("temperature").asDouble(1),
                options.path("top_k").asInt(0),
                options.path("top_p").asDouble(1),
                options.path("min_p").asDouble(0),
                ids(Golden.read("sample_tokens.json").get("ids")),
                ids(options.path("eos_token_id")));
    }

    private static Set<Integer> ids(JsonNode array) {
        return StreamSupport.stream(array.spliterator(), false)
                .map(JsonNode::intValue)
                .collect(Collectors.toSet());
    }

    @OnEachDevice
    @Tag("small")
    void greedyTakesTheLowestIdAmongEquals(On on) {
        Options greedy = new Options(0, 0, 1, 0);
        assertThat(new SampleTokensCall(on, greedy)
                        .tokens(new double[] {1, 5, 5, 5, 2}, new double[] {-0.0, 0, -1, -0.0, 0}, new double[] {
                            -9, -8, -7, -3e38, -7
                        }))
                .containsExactly(1, 0, 2);
        // 4 / 2 is equal to 2, and comes later; a negative score is multiplied.
        Options penalised = new Options(2, 0, 0, 1, 0, Set.of(3, 0), Set.of());
        assertThat(new SampleTokensCall(on, penalised)
                        .tokens(new double[] {3, 2, 1, 4, 0}, new double[] {-1, -3, -1.5, -1, -9}))
                .containsExactly(1, 2);
    }

    @OnEachDevice
    @Tag("small")
    void suppressionEndsAtItsToken(On on) {
        Options options = new Options(1, 0, 0, 1, 0, Set.of(), Set.of(1, 2));
        double[] logits = {1, 9, 9, 3, 2};
        assertThat(new SampleTokensCall(on, options).number(4, 5).tokens(logits))
                .containsExactly(3);
        assertThat(new SampleTokensCall(on, options).number(5, 5).tokens(logits))
                .containsExactly(1);
        Options all = new Options(1, 1, 0, 1, 0, Set.of(), Set.of(0, 1, 2, 3, 4));
        assertThat(new SampleTokensCall(on, all).tokens(logits)[0])
                .as("nothing remains")
                .isNegative();
    }

    @OnEachDevice
    @Tag("small")
    void aScoreThatIsNotFiniteIsNamed(On on) {
        for (double bad : new double[] {Double.NaN, Double.POSITIVE_INFINITY, Double.NEGATIVE_INFINITY}) {
            for (double temperature : new double[] {0, 1, 0.5}) {
                assertThat(new SampleTokensCall(on, new Options(temperature, 2, 1, 0))
                                .tokens(new double[] {1, 2, bad, bad, 9}, new double[] {-50, -50, -50, 100, -50}))
                        .containsExactly(-3, 3);
            }
        }
        // A score overflows: 1e30 / 1e-10.
        assertThat(new SampleTokensCall(on, new Options(1e-10, 0, 1, 0)).tokens(new double[] {0, 1e30, 2}))
                .containsExactly(-2);
        assertThat(new SampleTokensCall(on, new Options(1e-10, 0, 1, 0)).tokens(new double[] {-3, -1, -2}))
                .containsExactly(1);
    }

    /** A row has the same token alone, with others, and from a row of logits that several rows have. */
    @OnEachDevice
    @Tag("small")
    void aTokenDependsOnItsRowOnly(On on) {
        Options options = new Options(1, 30, 0.95, 0.01);
        double[][] logits = rows(3, 300, 2);
        int[] shared = new SampleTokensCall(on, options).logitsRows(2, 2, 0, 2).tokens(logits);
        int[] copied = new SampleTokensCall(on, options).tokens(logits[2], logits[2], logits[0], logits[2]);
        assertThat(shared).containsExactly(copied);
        assertThat(new SampleTokensCall(on, options).tokens(logits[2])).containsExactly(shared[0]);
        assertThat(IntStream.of(shared[0], shared[1], shared[3]).distinct().count())
                .isGreaterThan(1);
    }

    /**
     * A bias, a scale and a cap. Scores err by 16 u of their size, up to 8, instead of 1 u of a rounding: the cumulative
     * probabilities by 2 * 16 * 8 u = 1.6e-5 more.
     */
    @OnEachDevice
    @Tag("small")
    void theTransformIsApplied(On on) {
        int vocabulary = 200;
        double[][] logits = rows(6, vocabulary, 2);
        double[] bias = rows(1, vocabulary, 1)[0];
        float scale = 1.25f;
        for (float cap : new float[] {0, 8}) {
            double[][] transformed = Arrays.stream(logits)
                    .map(row -> IntStream.range(0, vocabulary)
                            .mapToDouble(id -> scale * (row[id] + bias[id]))
                            .map(x -> cap == 0 ? x : cap * Math.tanh(x / cap))
                            .toArray())
                    .toArray(double[][]::new);
            Options options = new Options(0.9, 0, 1, 0);
            SampleTokensCall call = new SampleTokensCall(on, options).transform(bias, scale, cap);
            int[] tokens = call.tokens(logits);
            for (int row = 0; row < tokens.length; row++) {
                double[] probabilities = ReferenceSampleTokens.probabilities(
                        ReferenceSampleTokens.scores(transformed[row], options), options);
                double uniform = ReferenceSampleTokens.uniform(SEED, row, call.number());
                assertThat(tokens[row])
                        .as("cap %s, row %d", cap, row)
                        .isBetween(
                                ReferenceSampleTokens.inverse(probabilities, uniform - NEAR - 1.6e-5),
                                ReferenceSampleTokens.inverse(probabilities, uniform + NEAR + 1.6e-5));
            }
        }
    }

    private static final String FIELDS =
            "*tokens *seen *logits *logits_rows *seen_rows *suppressed *draws rows vocabulary"
                    + " logits_stride seen_stride {transform *bias %scale %cap } %repetition_penalty %temperature %top_p %min_p"
                    + " #top_k #min_new_tokens";

    private static void call(Device device, Arguments a) {
        long params = a.struct("dpo4j_sample_tokens_params", FIELDS);
        Status.check(device.context(), Native.dpo4j_sample_tokens(device.context(), params));
    }

    @OnEachDevice
    @Tag("small")
    void refusesBadArguments(On on) {
        try (Tensors tensors = new Tensors(on)) {
            new Refusals(tensors, "sample_tokens")
                    .indices("tokens", tensors.outputInts("tokens", 2))
                    .indices("seen", tensors.updatedInts("seen", 2, 1, 2, 1, 1))
                    .address("logits", tensors.input("logits", DType.F32, 2, 8, 16, new Draw(1).normal(16, 1)))
                    .indicesOrNull("logits_rows", tensors.input("logits_rows", 1, 0))
                    .indicesOrNull("seen_rows", tensors.input("seen_rows", 1, 0))
                    .indicesOrNull("suppressed", tensors.input("suppressed", 2))
                    .indices("draws", tensors.input("draws", 1, 2, 3, 4, 5, 6, 7, 8))
                    .size("rows", 2, -1, 1L << 31)
                    .size("vocabulary", 8, 0, -1, 1L << 31)
                    .size("logits_stride", 16, 0, 7, 17)
                    .size("seen_stride", 2, 0, -1)
                    .addressOrNull("bias", tensors.vector("bias", DType.F32, new Draw(5).normal(8, 1)))
                    .number("scale", 0.5f, 0, -1, Float.NaN, Float.POSITIVE_INFINITY)
                    .number("cap", 30, -30, 1e-38f, 1e31f, Float.NaN)
                    .number("repetition_penalty", 1.5f, 0, -1, Float.NaN, Float.POSITIVE_INFINITY)
                    .number("temperature", 1, -1, 1e-31f, 1e31f, Float.NaN)
                    .number("top_p", 0.5f, -0.1f, 1.1f, Float.NaN)
                    .number("min_p", 0.5f, -0.1f, 1.1f, Float.NaN)
                    .size("top_k", 2, -1)
                    .size("min_new_tokens", 2, -1)
                    .check(SampleTokensTest::call);
        }
    }
}
