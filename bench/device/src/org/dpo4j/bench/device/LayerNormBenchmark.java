package org.dpo4j.bench.device;

import java.util.Arrays;
import org.dpo4j.bench.device.Benchmark.Prepared;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.decoder.LayerNorm;
import org.dpo4j.testkit.Expected;
import org.dpo4j.testkit.ReferenceLayerNorm;
import org.dpo4j.testkit.ReferenceLayerNorm.Moments;
import org.dpo4j.testkit.Tolerance;

/** Rows, weights and biases are normal(0, 1). Backward adds the gradient of the residual stream. */
final class LayerNormBenchmark {
    private static final float EPSILON = 1e-5f;
    /** Columns of d_weight and d_bias that the gate compares, over all rows. */
    private static final int COLUMNS = 4;

    private final Fixture fixture;
    private final LayerNorm.Shape shape;
    private final int rows;
    private final int width;
    private final Operand x;
    private final Operand weight;
    private final Operand bias;
    private final Operand out;
    private final Operand mean;
    private final Operand rstd;

    private LayerNormBenchmark(Fixture fixture) {
        this.fixture = fixture;
        rows = fixture.count("rows");
        width = fixture.count("width");
        shape = new LayerNorm.Shape(rows, width, fixture.dtype());
        x = fixture.normal(1, (long) rows * width);
        weight = fixture.normal(1, width);
        bias = fixture.normal(1, width);
        out = fixture.zeros((long) rows * width);
        mean = fixture.zeros(DType.F32, rows);
        rstd = fixture.zeros(DType.F32, rows);
    }

    static Prepared forward(Fixture fixture) {
        LayerNormBenchmark norm = new LayerNormBenchmark(fixture);
        return new Prepared(norm::forward, norm::checkForward);
    }

    private void forward(int turn) {
        LayerNorm.forward(fixture.device(), out.at(turn), saved(turn), inputs(x, turn), shape, EPSILON);
    }

    /** Forward that also computes the sum of residual stream and branch in the same pass. */
    static Prepared forwardSum(Fixture fixture) {
        LayerNormBenchmark norm = new LayerNormBenchmark(fixture);
        Operand sum = fixture.zeros(norm.x.count());
        Operand branch = fixture.normal(1, norm.x.count());
        int width = norm.width;
        return new Prepared(
                turn -> LayerNorm.forwardSum(
                        fixture.device(),
                        norm.out.at(turn),
                        norm.saved(turn),
                        norm.inputs(norm.x, turn),
                        new LayerNorm.Sum(branch.at(turn), sum.at(turn)),
                        norm.shape,
                        EPSILON),
                gate -> {
                    gate.rows("sum", sum, fixture.sample(norm.rows), row -> {
                        double[] expected = norm.x.row(row, width);
                        double[] other = branch.row(row, width);
                        Arrays.setAll(expected, j -> expected[j] + other[j]);
                        return Expected.rounded(fixture.dtype(), expected);
                    });
                    norm.checkForward(gate, sum);
                });
    }

    static Prepared backward(Fixture fixture) {
        LayerNormBenchmark norm = new LayerNormBenchmark(fixture);
        for (int copy = 0; copy < norm.x.copies(); copy++) {
            norm.forward(copy);
        }
        fixture.computed(norm.out, norm.mean, norm.rstd);
        Operand dX = fixture.zeros(norm.x.count());
        Operand dWeight = fixture.zeros(DType.F32, norm.width);
        Operand dBias = fixture.zeros(DType.F32, norm.width);
        Operand dOut = fixture.normal(1, norm.x.count());
        Operand dResidual = fixture.normal(1, norm.x.count());
        long workspace = fixture.workspace(LayerNorm.backwardWorkspaceBytes(norm.rows, norm.width));
        return new Prepared(
                turn -> LayerNorm.backward(
                        fixture.device(),
                        new LayerNorm.Gradients(
                                dOut.at(turn), dResidual.at(turn), dX.at(turn), dWeight.at(turn), dBias.at(turn)),
                        norm.inputs(norm.x, turn),
                        norm.saved(turn),
                        workspace,
                        norm.shape),
                gate -> {
                    norm.checkRows(gate, dX, dOut, dResidual);
                    norm.checkSums(gate, dWeight, dBias, dOut);
                });
    }

    private LayerNorm.Saved saved(int turn) {
        return new LayerNorm.Saved(mean.at(turn), rstd.at(turn));
    }

    private LayerNorm.Inputs inputs(Operand rows, int turn) {
        return new LayerNorm.Inputs(rows.at(turn), weight.at(turn), bias.at(turn));
    }

    private void checkForward(Gate gate) {
        checkForward(gate, x);
    }

    private void checkForward(Gate gate, Operand in) {
        double[] w = weight.read(0, width);
        double[] b = bias.read(0, width);
        gate.rows(
                "out",
                out,
                fixture.sample(rows),
                row -> ReferenceLayerNorm.forward(fixture.dtype(), in.row(row, width), w, b, EPSILON));
    }

    private void checkRows(Gate gate, Operand dX, Operand dOut, Operand dResidual) {
        double[] w = weight.read(0, width);
        gate.rows(
                "d_x",
                dX,
                fixture.sample(rows),
                row -> ReferenceLayerNorm.backwardX(
                        fixture.dtype(),
                        dOut.row(row, width),
                        x.row(row, width),
                        w,
                        new Moments(mean.read(row), rstd.read(row)),
                        dResidual.row(row, width)));
    }

    private void checkSums(Gate gate, Operand dWeight, Operand dBias, Operand dOut) {
        int columns = Math.min(COLUMNS, width);
        double[] weights = new double[columns];
        double[] weightMagnitudes = new double[columns];
        double[] biases = new double[columns];
        double[] biasMagnitudes = new double[columns];
        double[] means = mean.read(0, rows);
        double[] rstds = rstd.read(0, rows);
        for (int row = 0; row < rows; row++) {
            long first = (long) row * width;
            double[] d = dOut.read(first, columns);
            double[] terms =
                    ReferenceLayerNorm.backwardWeight(d, x.read(first, columns), new Moments(means[row], rstds[row]));
            add(weights, weightMagnitudes, terms);
            add(biases, biasMagnitudes, d);
        }
        // Sums of `rows` terms, with a subtraction and two products in each of d_weight, and the start value.
        gate.values(
                "d_weight",
                weights,
                dWeight.read(0, columns),
                j -> Tolerance.sum(rows + 3, weightMagnitudes[j]) + Float.MIN_NORMAL);
        gate.values(
                "d_bias",
                biases,
                dBias.read(0, columns),
                j -> Tolerance.sum(rows + 1, biasMagnitudes[j]) + Float.MIN_NORMAL);
    }

    private static void add(double[] sums, double[] magnitudes, double[] terms) {
        Arrays.setAll(sums, j -> sums[j] + terms[j]);
        Arrays.setAll(magnitudes, j -> magnitudes[j] + Math.abs(terms[j]));
    }
}
