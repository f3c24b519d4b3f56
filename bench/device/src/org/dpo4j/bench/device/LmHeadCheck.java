package org.dpo4j.bench.device;

import java.util.stream.IntStream;
import org.dpo4j.kernels.DType;

/**
 * The gate of the head, from the stored hidden rows and weights: a few log-probs to 1e-4 nat, and gradients within what storing the gradient of
 * logits in the model's type costs.
 */
final class LmHeadCheck {
    private static final double NATS = 1e-4;
    private static final int ROWS = 4;
    private static final int COLUMNS = 16;
    private static final int WEIGHT_ROWS = 2;
    private static final int READ = 4 << 20;

    private final LmHeadBenchmark of;
    private final Gate gate;
    private final int[] sample;
    private final double[][] logits;

    LmHeadCheck(LmHeadBenchmark of, Gate gate) {
        this.of = of;
        this.gate = gate;
        int rows = Math.min(ROWS, of.rows);
        sample = IntStream.range(0, rows)
                .map(i -> (int) ((long) i * (of.rows - 1) / Math.max(1, rows - 1)))
                .toArray();
        logits = new double[rows][of.vocabulary];
        double[][] hidden = IntStream.of(sample).mapToObj(row -> row(of.x, row)).toArray(double[][]::new);
        blocks((first, weights) -> IntStream.range(0, weights.length / of.hidden)
                .parallel()
                .forEach(j -> {
                    for (int i = 0; i < rows; i++) {
                        logits[i][first + j] = dot(weights, j * of.hidden, hidden[i]);
                    }
                }));
    }

    /** Takes whole rows of the weights, from row {@code first} on. */
    private interface Block {
        void take(int first, double[] weights);
    }

    private void blocks(Block block) {
        int step = Math.max(1, READ / of.hidden);
        for (int first = 0; first < of.vocabulary; first += step) {
            int count = Math.min(step, of.vocabulary - first);
            block.take(first, of.weight.read((long) first * of.hidden, count * of.hidden));
        }
    }

    private static double dot(double[] block, int at, double[] row) {
        double sum = 0;
        for (int h = 0; h < row.length; h++) {
            sum += block[at + h] * row[h];
        }
        return sum;
    }

    private double[] row(Tensor tensor, long row) {
        return tensor.read(row * of.hidden, of.hidden);
    }

    void forward() {
        for (int i = 0; i < sample.length; i++) {
            double lse = Reference.lse(logits[i]);
            int target = of.targets.readInt(sample[i]);
            gate.value("lse[" + sample[i] + "]", lse, of.lse.read(sample[i]), NATS);
            gate.value("logprob[" + sample[i] + "]", logits[i][target] - lse, of.logprob.read(sample[i]), NATS);
        }
    }

    void backward() {
        int columns = Math.min(COLUMNS, of.hidden);
        double[][] expected = new double[sample.length][columns];
        double[][] magnitudes = new double[sample.length][columns];
        blocks((first, weights) -> {
            for (int i = 0; i < sample.length; i++) {
                double lse = Reference.lse(logits[i]);
                int target = of.targets.readInt(sample[i]);
                double scale = of.scale.read(sample[i]);
                for (int j = 0; j < weights.length / of.hidden; j++) {
                    double d = scale * ((first + j == target ? 1 : 0) - Math.exp(logits[i][first + j] - lse));
                    for (int h = 0; h < columns; h++) {
                        expected[i][h] += d * weights[j * of.hidden + h];
                        magnitudes[i][h] += Math.abs(d * weights[j * of.hidden + h]);
                    }
                }
            }
        });
        for (int i = 0; i < sample.length; i++) {
            double[] actual = of.dX.read((long) sample[i] * of.hidden, columns);
            gate.values("d_x of row " + sample[i], expected[i], actual, magnitudes[i], share(of.vocabulary));
        }
        weights(columns);
    }

    /** Of a sum over products with a stored gradient: its rounding, the result's, and the 1e-4 nat of the softmax. */
    private double share(int terms) {
        return Gate.sum(terms, of.dtype) + (of.dtype == DType.F32 ? 0 : 0x1p-8) + NATS;
    }

    /** The first and the last target's rows of d_weight, over all rows of x. */
    private void weights(int columns) {
        double[] lse = of.lse.read(0, of.rows);
        double[] scale = of.scale.read(0, of.rows);
        int[] targets = of.targets.readInts(0, of.rows);
        for (int i = 0; i < WEIGHT_ROWS; i++) {
            int j = targets[i * (of.rows - 1)];
            double[] weight = row(of.weight, j);
            double[] expected = new double[columns];
            double[] magnitudes = new double[columns];
            for (int row = 0; row < of.rows; row++) {
                double[] x = row(of.x, row);
                double p = Math.exp(Reference.dot(x, weight) - lse[row]);
                double d = scale[row] * ((targets[row] == j ? 1 : 0) - p);
                for (int h = 0; h < columns; h++) {
                    expected[h] += d * x[h];
                    magnitudes[h] += Math.abs(d * x[h]);
                }
            }
            double[] actual = of.dWeight.read((long) j * of.hidden, columns);
            gate.values("d_weight of row " + j, expected, actual, magnitudes, share(of.rows));
        }
    }
}
