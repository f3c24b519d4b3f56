package org.dpo4j.bench.device;

import java.util.Arrays;
import org.dpo4j.bench.device.Benchmark.Prepared;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.decoder.RmsNorm;
import org.dpo4j.testkit.Expected;
import org.dpo4j.testkit.ReferenceRmsNorm;
import org.dpo4j.testkit.Tolerance;

/** Rows and weights are normal(0, 1). Backward adds the gradient of the residual stream. */
final class RmsNormBenchmark {
    private static final float EPSILON = 1e-6f;
    /** Columns of d_weight that the gate compares, over all rows. */
    private static final int COLUMNS = 4;

    private final Fixture fixture;
    private final RmsNorm.Shape shape;
    private final int rows;
    private final int width;
    private final Operand x;
    private final Operand weight;
    private final Operand out;
    private final Operand rstd;

    private RmsNormBenchmark(Fixture fixture) {
        this.fixture = fixture;
        rows = fixture.count("rows");
        width = fixture.count("width");
        shape = new RmsNorm.Shape(rows, width, fixture.dtype());
        x = fixture.normal(1, (long) rows * width);
        weight = fixture.normal(1, width);
        out = fixture.zeros((long) rows * width);
        rstd = fixture.zeros(DType.F32, rows);
    }

    static Prepared forward(Fixture fixture) {
        RmsNormBenchmark norm = new RmsNormBenchmark(fixture);
        return new Prepared(norm::forward, norm::checkForward);
    }

    private void forward(int turn) {
        RmsNorm.forward(fixture.device(), results(turn), inputs(x, turn), shape, EPSILON);
    }

    /** Forward that also computes the sum of residual stream and branch in the same pass. */
    static Prepared forwardSum(Fixture fixture) {
        RmsNormBenchmark norm = new RmsNormBenchmark(fixture);
        Operand sum = fixture.zeros(norm.x.count());
        Operand branch = fixture.normal(1, norm.x.count());
        int width = norm.width;
        return new Prepared(
                turn -> RmsNorm.forwardSum(
                        fixture.device(),
                        norm.results(turn),
                        norm.inputs(norm.x, turn),
                        new RmsNorm.Sum(branch.at(turn), sum.at(turn)),
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
        RmsNormBenchmark norm = new RmsNormBenchmark(fixture);
        for (int copy = 0; copy < norm.x.copies(); copy++) {
            norm.forward(copy);
        }
        fixture.computed(norm.out, norm.rstd);
        Operand dX = fixture.zeros(norm.x.count());
        Operand dWeight = fixture.zeros(DType.F32, norm.width);
        Operand dOut = fixture.normal(1, norm.x.count());
        Operand dResidual = fixture.normal(1, norm.x.count());
        long workspace = fixture.workspace(RmsNorm.backwardWorkspaceBytes(norm.rows, norm.width));
        return new Prepared(
                turn -> RmsNorm.backward(
                        fixture.device(),
                        new RmsNorm.Gradients(dOut.at(turn), dResidual.at(turn), dX.at(turn), dWeight.at(turn)),
                        norm.inputs(norm.x, turn),
                        norm.rstd.at(turn),
                        workspace,
                        norm.shape),
                gate -> {
                    norm.checkRows(gate, dX, dOut, dResidual);
                    norm.checkWeight(gate, dWeight, dOut);
                });
    }

    private RmsNorm.Results results(int turn) {
        return new RmsNorm.Results(out.at(turn), rstd.at(turn));
    }

    private RmsNorm.Inputs inputs(Operand rows, int turn) {
        return new RmsNorm.Inputs(rows.at(turn), weight.at(turn));
    }

    private void checkForward(Gate gate) {
        checkForward(gate, x);
    }

    private void checkForward(Gate gate, Operand in) {
        double[] w = weight.read(0, width);
        gate.rows(
                "out",
                out,
                fixture.sample(rows),
                row -> ReferenceRmsNorm.forward(fixture.dtype(), in.row(row, width), w, EPSILON));
    }

    private void checkRows(Gate gate, Operand dX, Operand dOut, Operand dResidual) {
        double[] w = weight.read(0, width);
        gate.rows(
                "d_x",
                dX,
                fixture.sample(rows),
                row -> ReferenceRmsNorm.backwardX(
                        fixture.dtype(),
                        dOut.row(row, width),
                        x.row(row, width),
                        w,
                        rstd.read(row),
                        dResidual.row(row, width)));
    }

    private void checkWeight(Gate gate, Operand dWeight, Operand dOut) {
        int columns = Math.min(COLUMNS, width);
        double[] sums = new double[columns];
        double[] magnitudes = new double[columns];
        double[] rstds = rstd.read(0, rows);
        for (int row = 0; row < rows; row++) {
            long first = (long) row * width;
            double[] terms =
                    ReferenceRmsNorm.backwardWeight(dOut.read(first, columns), x.read(first, columns), rstds[row]);
            Arrays.setAll(sums, j -> sums[j] + terms[j]);
            Arrays.setAll(magnitudes, j -> magnitudes[j] + Math.abs(terms[j]));
        }
        // A sum of `rows` terms of two products each, and the start value.
        gate.values(
                "d_weight",
                sums,
                dWeight.read(0, columns),
                j -> Tolerance.sum(rows + 2, magnitudes[j]) + Float.MIN_NORMAL);
    }
}
