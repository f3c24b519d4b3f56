package org.dpo4j.bench.device;

import org.dpo4j.bench.device.Benchmark.Prepared;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.decoder.MatrixShape;
import org.dpo4j.kernels.decoder.RmsNorm;

/** Rows of normal(0, 1), weights around 1; backward with the gradient of a residual stream. */
final class RmsNormBenchmark {
    private static final float EPSILON = 1e-6f;
    private static final int COLUMNS = 4;

    private final Fixture fixture;
    private final int rows;
    private final int width;
    private final Tensor x;
    private final Tensor weight;
    private final Tensor out;
    private final Tensor rstd;

    private RmsNormBenchmark(Fixture fixture) {
        this.fixture = fixture;
        rows = fixture.shape().count("rows");
        width = fixture.shape().count("width");
        x = fixture.normal(1, (long) rows * width);
        weight = fixture.normal(1, width);
        out = fixture.zeros((long) rows * width);
        rstd = fixture.zeros(DType.F32, rows);
    }

    static Prepared forward(Fixture fixture) {
        RmsNormBenchmark of = new RmsNormBenchmark(fixture);
        return new Prepared(of::forward, of::checkForward);
    }

    private void forward(int turn) {
        RmsNorm.forward(
                fixture.device(),
                new RmsNorm.Results(out.at(turn), rstd.at(turn)),
                new RmsNorm.Inputs(x.at(turn), weight.at(turn)),
                new MatrixShape(rows, width, fixture.dtype()),
                EPSILON);
    }

    /** With the sum of a residual stream and a branch formed on the way. */
    static Prepared forwardSum(Fixture fixture) {
        RmsNormBenchmark of = new RmsNormBenchmark(fixture);
        Tensor stream = fixture.normal(1, of.x.count());
        Tensor branch = fixture.normal(1, of.x.count());
        return new Prepared(
                turn -> RmsNorm.forwardSum(
                        fixture.device(),
                        new RmsNorm.Results(of.out.at(turn), of.rstd.at(turn)),
                        new RmsNorm.Inputs(stream.at(turn), of.weight.at(turn)),
                        new RmsNorm.Sum(branch.at(turn), of.x.at(turn)),
                        new MatrixShape(of.rows, of.width, fixture.dtype()),
                        EPSILON),
                gate -> {
                    for (int row : fixture.sample(of.rows)) {
                        double[] expected = stream.read((long) row * of.width, of.width);
                        double[] other = branch.read((long) row * of.width, of.width);
                        for (int j = 0; j < of.width; j++) {
                            expected[j] += other[j];
                        }
                        double[] sums = of.x.read((long) row * of.width, of.width);
                        gate.values("sum of row " + row, expected, sums, Gate.sum(0, fixture.dtype()));
                    }
                    of.checkForward(gate);
                });
    }

    static Prepared backward(Fixture fixture) {
        RmsNormBenchmark of = new RmsNormBenchmark(fixture);
        for (int copy = 0; copy < of.x.copies(); copy++) {
            of.forward(copy);
        }
        fixture.computed(of.out, of.rstd);
        Tensor dX = fixture.zeros(of.x.count());
        Tensor dWeight = fixture.zeros(DType.F32, of.width);
        Tensor dOut = fixture.normal(1, of.x.count());
        Tensor dResidual = fixture.normal(1, of.x.count());
        long workspace = fixture.workspace(RmsNorm.backwardWorkspaceBytes(of.rows, of.width));
        return new Prepared(
                turn -> RmsNorm.backward(
                        fixture.device(),
                        new RmsNorm.Gradients(dOut.at(turn), dResidual.at(turn), dX.at(turn), dWeight.at(turn)),
                        new RmsNorm.Inputs(of.x.at(turn), of.weight.at(turn)),
                        of.rstd.at(turn),
                        workspace,
                        new MatrixShape(of.rows, of.width, fixture.dtype())),
                gate -> {
                    of.checkRows(gate, dX, dOut, dResidual);
                    of.checkWeight(gate, dWeight, dOut);
                });
    }

    private double[] row(Tensor tensor, int row) {
        return tensor.read((long) row * width, width);
    }

    private double rstd(double[] ofX) {
        return 1 / Math.sqrt(Reference.dot(ofX, ofX) / width + EPSILON);
    }

    private void checkForward(Gate gate) {
        double[] w = weight.read(0, width);
        for (int row : fixture.sample(rows)) {
            double[] expected = row(x, row);
            double scale = rstd(expected);
            for (int j = 0; j < width; j++) {
                expected[j] *= w[j] * scale;
            }
            gate.values("out of row " + row, expected, row(out, row), Gate.sum(width, fixture.dtype()));
        }
    }

    private void checkRows(Gate gate, Tensor dX, Tensor dOut, Tensor dResidual) {
        double[] w = weight.read(0, width);
        for (int row : fixture.sample(rows)) {
            double[] ofX = row(x, row);
            double[] g = row(dOut, row);
            double[] residual = row(dResidual, row);
            double scale = rstd(ofX);
            double mean = 0;
            double magnitude = 0;
            for (int j = 0; j < width; j++) {
                g[j] *= w[j];
                mean += g[j] * ofX[j] / width;
                magnitude += Math.abs(g[j] * ofX[j]) / width;
            }
            double[] expected = new double[width];
            double[] magnitudes = new double[width];
            for (int j = 0; j < width; j++) {
                double square = scale * scale * Math.abs(ofX[j]);
                expected[j] = residual[j] + scale * (g[j] - ofX[j] * scale * scale * mean);
                magnitudes[j] = Math.abs(residual[j]) + scale * (Math.abs(g[j]) + square * magnitude);
            }
            gate.values("d_x of row " + row, expected, row(dX, row), magnitudes, Gate.sum(width, fixture.dtype()));
        }
    }

    /** A few columns, over all rows. */
    private void checkWeight(Gate gate, Tensor dWeight, Tensor dOut) {
        double[] expected = new double[COLUMNS];
        double[] magnitudes = new double[COLUMNS];
        double[] scales = rstd.read(0, rows);
        for (int row = 0; row < rows; row++) {
            double[] ofX = x.read((long) row * width, COLUMNS);
            double[] g = dOut.read((long) row * width, COLUMNS);
            double scale = scales[row];
            for (int j = 0; j < COLUMNS; j++) {
                expected[j] += g[j] * ofX[j] * scale;
                magnitudes[j] += Math.abs(g[j] * ofX[j] * scale);
            }
        }
        gate.values("d_weight", expected, dWeight.read(0, COLUMNS), magnitudes, Gate.sum(rows, DType.F32));
    }
}
