package org.dpo4j.bench.device;

import java.util.Arrays;
import java.util.stream.IntStream;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.TokenLogProb;
import org.dpo4j.kernels.head.HeadPlan.Use;
import org.dpo4j.testkit.Functions;
import org.dpo4j.testkit.ReferenceTokenLogProb;
import org.dpo4j.testkit.Tolerance;

/**
 * The gate of the LM head. It computes all logits of a few rows in double precision, and checks their log-probs to 1e-4
 * nat and some gradients. The weight in double precision would need gigabytes, so it is read in blocks of rows.
 */
final class LmHeadCheck {
    private static final double NATS = 1e-4;
    private static final int ROWS = 4;
    private static final int COLUMNS = 16;
    private static final int READ = 4 << 20;

    private final LmHeadBenchmark head;
    private final Gate gate;
    private final int[] sample;
    private final double[][] logits;

    LmHeadCheck(LmHeadBenchmark head, Gate gate) {
        this.head = head;
        this.gate = gate;
        sample = Fixture.sample(ROWS, head.rows);
        logits = new double[sample.length][head.vocabulary];
        double[][] hidden = IntStream.of(sample)
                .mapToObj(row -> head.x.row(row, head.hidden))
                .toArray(double[][]::new);
        blocks((first, weights) -> IntStream.range(0, weights.length / head.hidden)
                .parallel()
                .forEach(j -> {
                    double[] weight = Arrays.copyOfRange(weights, j * head.hidden, (j + 1) * head.hidden);
                    for (int i = 0; i < sample.length; i++) {
                        logits[i][first + j] = Functions.dot(weight, hidden[i]);
                    }
                }));
    }

    /** Receives a block of rows of the weight, from row {@code first} on. */
    private interface Block {
        void take(int first, double[] weights);
    }

    private void blocks(Block block) {
        int step = Math.max(1, READ / head.hidden);
        for (int first = 0; first < head.vocabulary; first += step) {
            int count = Math.min(step, head.vocabulary - first);
            block.take(first, head.weight.read((long) first * head.hidden, count * head.hidden));
        }
    }

    private int target(int row) {
        return (int) head.targets.read(row);
    }

    void forward() {
        for (int i = 0; i < sample.length; i++) {
            int row = sample[i];
            double[] expected = {
                ReferenceTokenLogProb.forward(logits[i], target(row)), ReferenceTokenLogProb.lse(logits[i])
            };
            double[] actual = {head.logprob.read(row), head.lse.read(row)};
            gate.values("logprob, lse of row " + row, expected, actual, k -> NATS);
        }
    }

    /**
     * The gradients of the logits that exponentials and factors stand for: one rounding to bf16, and 1e-4 nat of the
     * softmax.
     */
    void exponentials(Operand stored, Operand factors) {
        int stride = (head.vocabulary + 7) / 8 * 8;
        for (int i = 0; i < sample.length; i++) {
            int row = sample[i];
            double factor = factors.read(row);
            double lse = ReferenceTokenLogProb.lse(logits[i]);
            double[] expected = ReferenceTokenLogProb.backward(logits[i], target(row), lse, 1);
            double[] actual = Arrays.stream(stored.read((long) row * stride, head.vocabulary))
                    .map(exponential -> factor * exponential)
                    .toArray();
            int target = target(row);
            gate.values("gradient of row " + row, expected, actual, j -> {
                double p = Math.abs(expected[j] - (j == target ? 1 : 0));
                return NATS * p + 0x1.02p-8 * Math.abs(expected[j]) + 0x1p-61;
            });
        }
    }

    /**
     * Checks entropy, hit, mean logit and log weight. A logit or a log-sum may be wrong by 1e-4 nat. Entropy and log weight
     * are sums of three such terms, so they may be wrong by 3e-4. A hit is exact, because no two logits of this gate at the top
     * are closer than 1e-4.
     */
    void statistics(Operand statistics) {
        for (int i = 0; i < sample.length; i++) {
            int row = sample[i];
            double[] expected = {
                ReferenceTokenLogProb.entropy(logits[i]),
                ReferenceTokenLogProb.hit(logits[i], target(row)),
                ReferenceTokenLogProb.meanLogit(logits[i]),
                ReferenceTokenLogProb.logWeight(logits[i], target(row))
            };
            double[] actual = statistics.read((long) TokenLogProb.STATISTICS * row, TokenLogProb.STATISTICS);
            gate.values("statistics of row " + row, expected, actual, k -> 3 * NATS);
        }
    }

    void backward(Use use) {
        int columns = Math.min(COLUMNS, head.hidden);
        double[][] dLogits = new double[sample.length][];
        for (int i = 0; i < sample.length; i++) {
            int row = sample[i];
            double lse = ReferenceTokenLogProb.lse(logits[i]);
            dLogits[i] = ReferenceTokenLogProb.backward(logits[i], target(row), lse, head.scale.read(row));
        }
        Sums[] sums = new Sums[sample.length];
        Arrays.setAll(sums, i -> new Sums(columns));
        blocks((first, weights) -> {
            for (int i = 0; i < sample.length; i++) {
                for (int j = 0; j < weights.length / head.hidden; j++) {
                    sums[i].add(dLogits[i][first + j], weights, j * head.hidden);
                }
            }
        });
        for (int i = 0; i < sample.length; i++) {
            sums[i].check(
                    "d_x of row " + sample[i],
                    head.dX.read((long) sample[i] * head.hidden, columns),
                    head.vocabulary,
                    head.dtype);
        }
        if (use == Use.TRAINING) {
            weights(columns);
        }
    }

    /** The rows of d_weight of the first and the last target, over all rows of x. */
    private void weights(int columns) {
        double[] lse = head.lse.read(0, head.rows);
        double[] scale = head.scale.read(0, head.rows);
        double[] targets = head.targets.read(0, head.rows);
        for (int j : new int[] {target(0), target(head.rows - 1)}) {
            double[] weight = head.weight.row(j, head.hidden);
            Sums sums = new Sums(columns);
            for (int row = 0; row < head.rows; row++) {
                double[] x = head.x.row(row, head.hidden);
                double p = Math.exp(Functions.dot(x, weight) - lse[row]);
                sums.add(scale[row] * ((targets[row] == j ? 1 : 0) - p), x, 0);
            }
            sums.check(
                    "d_weight of row " + j, head.dWeight.read((long) j * head.hidden, columns), head.rows, DType.F32);
        }
    }

    /** Sums of products with a gradient that is stored in the type of the model. */
    private final class Sums {
        private final double[] values;
        private final double[] magnitudes;

        Sums(int columns) {
            values = new double[columns];
            magnitudes = new double[columns];
        }

        void add(double factor, double[] terms, int at) {
            for (int h = 0; h < values.length; h++) {
                values[h] += factor * terms[at + h];
                magnitudes[h] += Math.abs(factor * terms[at + h]);
            }
        }

        /**
         * The allowed error: the roundings of a sum, of the stored gradient and of the result, and 1e-4 nat of the
         * softmax.
         */
        void check(String what, double[] actual, int terms, DType stored) {
            double ofGradient = NATS + (head.dtype == DType.F32 ? 0 : 2 * 0x1p-8);
            gate.values(
                    what,
                    values,
                    actual,
                    h -> Tolerance.stored(
                            stored, values[h], Tolerance.sum(terms + 4, magnitudes[h]) + ofGradient * magnitudes[h]));
        }
    }
}
