package org.dpo4j.testkit;

import java.math.BigInteger;
import java.util.Arrays;
import java.util.Comparator;
import java.util.Set;
import java.util.function.IntPredicate;
import java.util.stream.IntStream;

/** The steps of {@code sample_tokens}, written from its description, with sorting and in double precision. */
public final class ReferenceSampleTokens {
    /**
     * The options of a call.
     *
     * @param seen ids to penalise
     * @param suppressed ids that are not sampled
     */
    public record Options(
            double penalty,
            double temperature,
            int topK,
            double topP,
            double minP,
            Set<Integer> seen,
            Set<Integer> suppressed) {
        public Options(double temperature, int topK, double topP, double minP) {
            this(1, temperature, topK, topP, minP, Set.of(), Set.of());
        }
    }

    private ReferenceSampleTokens() {}

    /** Scores before top_k, in fp32, because scores that fp32 makes equal are equal for top_k. */
    public static float[] scores(double[] logits, Options options) {
        float[] scores = new float[logits.length];
        for (int id = 0; id < scores.length; id++) {
            float score = (float) logits[id];
            if (options.seen.contains(id)) {
                score = score < 0 ? score * (float) options.penalty : score / (float) options.penalty;
            }
            if (options.temperature != 0) {
                score /= (float) options.temperature;
            }
            scores[id] = options.suppressed.contains(id) ? Float.NEGATIVE_INFINITY : score + 0f;
        }
        return scores;
    }

    /** The first id with the max score. */
    public static int argmax(float[] scores) {
        return IntStream.range(0, scores.length).reduce(0, (best, id) -> scores[id] > scores[best] ? id : best);
    }

    /** Probabilities of all ids after top_k, top_p and min_p; 0 for an id that is removed. */
    public static double[] probabilities(float[] scores, Options options) {
        float max = scores[argmax(scores)];
        double[] weights = new double[scores.length];
        for (int id = 0; id < weights.length; id++) {
            weights[id] = Math.exp((double) scores[id] - max);
        }
        // By descending score; of equal scores the lowest id first.
        Integer[] order = IntStream.range(0, scores.length)
                .boxed()
                .sorted(Comparator.comparing((Integer id) -> -scores[id]))
                .toArray(Integer[]::new);
        if (options.topK > 0 && options.topK < order.length) {
            float kth = scores[order[options.topK - 1]];
            removeIf(weights, id -> scores[id] < kth);
        }
        if ((float) options.topP < 1) {
            double removed =
                    (1 - (double) (float) options.topP) * Arrays.stream(weights).sum();
            double sum = 0;
            for (int i = order.length - 1; i > 0; i--) {
                sum += weights[order[i]];
                if (sum <= removed) {
                    weights[order[i]] = 0;
                }
            }
        }
        removeIf(weights, id -> Math.exp((double) scores[id] - max) < (float) options.minP);
        double total = Arrays.stream(weights).sum();
        return Arrays.stream(weights).map(weight -> weight / total).toArray();
    }

    private static void removeIf(double[] weights, IntPredicate isRemoved) {
        for (int id = 0; id < weights.length; id++) {
            if (isRemoved.test(id)) {
                weights[id] = 0;
            }
        }
    }

    /** The uniform number in [0, 1) of a token. */
    public static double uniform(long seed, int sample, int number) {
        int[] bits =
                ReferencePhilox.bits(new int[] {sample, number, 0, 0}, new int[] {(int) seed, (int) (seed >>> 32)});
        BigInteger whole = BigInteger.valueOf(Integer.toUnsignedLong(bits[1]))
                .shiftLeft(32)
                .add(BigInteger.valueOf(Integer.toUnsignedLong(bits[0])));
        return whole.doubleValue() / 0x1p64;
    }

    /** The first id whose cumulative probability exceeds {@code uniform}. */
    public static int inverse(double[] probabilities, double uniform) {
        double sum = 0;
        int last = -1;
        for (int id = 0; id < probabilities.length; id++) {
            if (probabilities[id] > 0) {
                last = id;
                sum += probabilities[id];
                if (sum > uniform) {
                    return id;
                }
            }
        }
        return last;
    }
}
