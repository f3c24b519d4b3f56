package org.dpo4j.conformance;

import java.util.Arrays;
import java.util.Random;
import org.dpo4j.kernels.DType;
import org.dpo4j.testkit.Draw;

/**
 * Compares a thousand random calls of token_logprob with the reference. {@link DevicesAgreeTest} compares devices with
 * each other.
 */
class SweepTest {
    private static final int CASES = 1000;

    /** A random call. A failure names the seed, which reproduces it. */
    private static final class Case {
        private final Random random;
        private final TokenLogProbRun run;
        private final TokenLogProbCall call;

        Case(On on, long seed) {
            random = new Random(seed);
            run = new TokenLogProbRun(on, dtype(), dtype(), random.nextBoolean());
            int rows = random.nextInt(10);
            int vocabulary = skewed(on.cuda() ? 400 : 3000);
            Draw draw = new Draw(seed);
            double[] logits = draw.normal(rows * vocabulary, one(0.1, 1, 4, 30));
            if (random.nextInt(4) == 0) {
                makeTies(logits);
            }
            if (random.nextInt(4) == 0) {
                leaveOut(logits);
            }
            TokenLogProbCall packed = new TokenLogProbCall(
                    vocabulary,
                    random.nextInt(3),
                    logits,
                    targets(rows, vocabulary),
                    null,
                    draw.normal(rows, 2),
                    random.nextInt(3) > 0
                            ? LogitTransform.NONE
                            : LogitTransform.random(vocabulary, 1, one(0.1, 1, 5), one(0, 3, 30)));
            call = placed(hideMasked(packed), draw);
        }

        private DType dtype() {
            return DType.values()[random.nextInt(DType.values().length)];
        }

        private double one(double... choices) {
            return choices[random.nextInt(choices.length)];
        }

        /** A random number from 1 to max; small numbers are far more frequent. */
        private int skewed(int max) {
            return (int) Math.exp(random.nextDouble() * Math.log(max + 1));
        }

        private static void makeTies(double[] logits) {
            Arrays.setAll(logits, i -> Math.rint(logits[i]));
        }

        private void leaveOut(double[] logits) {
            double share = random.nextDouble();
            Arrays.setAll(logits, i -> random.nextDouble() < share ? Double.NEGATIVE_INFINITY : logits[i]);
        }

        /** Random targets: none, all or some rows are masked, and a few targets are beyond the vocabulary. */
        private int[] targets(int rows, int vocabulary) {
            double masked = one(0, 0.3, 1);
            int[] targets = new int[rows];
            for (int row = 0; row < rows; row++) {
                targets[row] = random.nextDouble() < masked ? -1 - random.nextInt(200) : random.nextInt(vocabulary);
                if (random.nextInt(20) == 0) {
                    targets[row] = vocabulary + random.nextInt(3);
                }
            }
            return targets;
        }

        /**
         * Fills masked rows with other values, which must not matter, and makes sure that every row that is read has a
         * finite logit.
         */
        private TokenLogProbCall hideMasked(TokenLogProbCall packed) {
            int vocabulary = packed.vocabulary();
            for (int row = 0; row < packed.rows(); row++) {
                if (packed.targets()[row] < 0) {
                    Arrays.fill(packed.logits(), row * vocabulary, (row + 1) * vocabulary, Double.NaN);
                } else {
                    packed.logits()[row * vocabulary + random.nextInt(vocabulary)] = random.nextGaussian();
                }
            }
            return packed;
        }

        private TokenLogProbCall placed(TokenLogProbCall packed, Draw draw) {
            if (random.nextBoolean()) {
                return packed;
            }
            int logitsRows = packed.rows() + random.nextInt(4);
            int[] places = Arrays.copyOf(draw.permutation(logitsRows), packed.rows());
            return packed.scattered(logitsRows, places);
        }

        void check() {
            switch (random.nextInt(3)) {
                case 0 -> ExpectedTokenLogProb.forward(run, call);
                case 1 -> ExpectedTokenLogProb.inTwoCalls(run, call);
                default -> ExpectedTokenLogProb.inOneCall(run, random.nextBoolean() ? call : call.withUnitGradient());
            }
        }
    }

    @OnEachDevice
    void tokenLogProb(On on) {
        for (long seed = 0; seed < CASES; seed++) {
            try {
                new Case(on, seed).check();
            } catch (AssertionError | RuntimeException e) {
                throw new AssertionError("seed " + seed + ": " + e.getMessage(), e);
            }
        }
    }
}
