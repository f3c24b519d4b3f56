package org.dpo4j.bench.device;

import java.util.Arrays;
import java.util.function.IntFunction;
import org.dpo4j.bench.device.Benchmark.Prepared;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.decoder.RmsNorm;
import org.dpo4j.testkit.Expected;
import org.dpo4j.testkit.ReferenceRmsNorm;
import org.dpo4j.testkit.Tolerance;

/**
 * Rows and weights are normal(0, 1). Backward adds the gradient of the residual stream. A shape may have {@code
 * groups}, such as the heads of queries within rows of queries, keys and values, and an offset of the weight.
 */
final class RmsNormBenchmark {
    private static final float EPSILON = 1e-6f;
    /** Columns of d_weight that the gate compares, over all rows. */
    private static final int COLUMNS = 4;

    private final Fixture fixture;
    private final RmsNorm.Shape shape;
    private final int rows;
    private final int groups;
    private final int width;
    private final int xStride;
    private final int outStride;
    private final float weightOffset;
    private final Operand x;
    private final Operand weight;
    private final Operand out;
    private final Operand rstd;

    private RmsNormBenchmark(Fixture fixture) {
        this.fixture = fixture;
        rows = fixture.count("rows");
        groups = fixture.shape().countOr("groups", 1);
        width = fixture.count("width");
        xStride = fixture.shape().countOr("x_stride", width);
        outStride = fixture.shape().countOr("out_stride", width);
        weightOffset = fixture.shape().countOr("weight_offset", 0);
        shape = new RmsNorm.Shape(rows, groups, width, width, new RmsNorm.Strides(xStride, outStride), fixture.dtype());
        x = fixture.normal(1, (long) rows * xStride);
        weight = fixture.normal(1, width);
        out = fixture.zeros((long) rows * outStride);
        rstd = fixture.zeros(DType.F32, (long) rows * groups);
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
        return new Prepared(
                turn -> RmsNorm.forwardSum(
                        fixture.device(),
                        norm.results(turn),
                        norm.inputs(norm.x, turn),
                        new RmsNorm.Sum(branch.at(turn), sum.at(turn)),
                        norm.shape,
                        EPSILON),
                gate -> {
                    norm.checkGroups(gate, "sum", sum, norm.xStride, group -> {
                        double[] expected = norm.group(norm.x, norm.xStride, group);
                        double[] other = norm.group(branch, norm.xStride, group);
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
        Operand dX = fixture.zeros(norm.out.count());
        Operand dWeight = fixture.zeros(DType.F32, norm.width);
        Operand dOut = fixture.normal(1, norm.out.count());
        Operand dResidual = fixture.normal(1, norm.out.count());
        long workspace = fixture.workspace(RmsNorm.backwardWorkspaceBytes((long) norm.rows * norm.groups, norm.width));
        return new Prepared(
                turn -> RmsNorm.backward(
                        fixture.device(),
                        new RmsNorm.Gradients(dOut.at(turn), dResidual.at(turn), dX.at(turn), dWeight.at(turn)),
                        norm.inputs(norm.x, turn),
                        norm.rstd.at(turn),
                        workspace,
                        norm.shape),
                gate -> {
                    norm.checkX(gate, dX, dOut, dResidual);
                    norm.checkWeight(gate, dWeight, dOut);
                });
    }

    private RmsNorm.Results results(int turn) {
        return new RmsNorm.Results(out.at(turn), rstd.at(turn));
    }

    private RmsNorm.Inputs inputs(Operand rows, int turn) {
        return new RmsNorm.Inputs(rows.at(turn), weight.at(turn), weightOffset);
    }

    /** A group, counted over all rows. */
    private double[] group(Operand matrix, int stride, int index) {
        return matrix.read((long) (index / groups) * stride + index % groups * width, width);
    }

    private void checkGroups(Gate gate, String what, Operand matrix, int stride, IntFunction<Expected> expected) {
        for (int index : fixture.sample((long) rows * groups)) {
            gate.values(what + " of group " + index, expected.apply(index), group(matrix, stride, index));
        }
    }

    /** Weight and offset, as the kernel adds them. */
    private double[] weights() {
        double[] w = weight.read(0, width);
        Arrays.setAll(w, j -> (float) w[j] + weightOffset);
        return w;
    }

    private void checkForward(Gate gate) {
        checkForward(gate, x);
    }

    private void checkForward(Gate gate, Operand in) {
        double[] w = weights();
        checkGroups(
                gate,
                "out",
                out,
                outStride,
                index -> ReferenceRmsNorm.forward(fixture.dtype(), group(in, xStride, index), w, EPSILON));
    }

    private void checkX(Gate gate, Operand dX, Operand dOut, Operand dResidual) {
        double[] w = weights();
        checkGroups(
                gate,
                "d_x",
                dX,
                outStride,
                index -> ReferenceRmsNorm.backwardX(
                        fixture.dtype(),
                        group(dOut, outStride, index),
                        group(x, xStride, index),
                        w,
                        rstd.read(index),
                        group(dResidual, outStride, index)));
    }

    private void checkWeight(Gate gate, Operand dWeight, Operand dOut) {
        int columns = Math.min(COLUMNS, width);
        int count = rows * groups;
        double[] sums = new double[columns];
        double[] magnitudes = new double[columns];
        double[] rstds = rstd.read(0, count);
        for (int i = 0; i < count; i++) {
            long group = (long) (i % groups) * width;
            double[] d = dOut.read((long) (i / groups) * outStride + group, columns);
            double[] in = x.read((long) (i / groups) * xStride + group, columns);
            double[] terms = ReferenceRmsNorm.backwardWeight(d, in, rstds[i]);
            Arrays.setAll(sums, j -> sums[j] + terms[j]);
            Arrays.setAll(magnitudes, j -> magnitudes[j] + Math.abs(terms[j]));
        }
        // A sum of `count` terms of two products each, and the start value.
        gate.values(
                "d_weight",
                sums,
                dWeight.read(0, columns),
                j -> Tolerance.sum(count + 2, magnitudes[j]) + Float.MIN_NORMAL);
    }
}
