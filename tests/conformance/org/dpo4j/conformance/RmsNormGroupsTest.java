package org.dpo4j.conformance;

import java.util.Arrays;
import java.util.function.DoubleSupplier;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.decoder.RmsNorm;
import org.dpo4j.testkit.Draw;
import org.dpo4j.testkit.Expected;
import org.dpo4j.testkit.ReferenceRmsNorm;
import org.dpo4j.testkit.Tolerance;
import org.junit.jupiter.api.Tag;

/** Several groups in a row, rows that are apart, and an offset of the weight. */
@Tag("small")
class RmsNormGroupsTest {
    private static final float EPSILON = 1e-5f;

    /** Elements between rows: inputs have NaN there, and results keep this number. */
    private static final double GAP = 3;

    private static final Case[] CASES = {
        // rows, groups, width, mean width, strides of x and out, offset
        new Case(3, 4, 16, 16, 64, 88, 0),
        new Case(3, 4, 16, 16, 88, 64, 1),
        new Case(2, 3, 8, 6, 24, 40, 1),
        new Case(5, 2, 7, 7, 14, 15, 1),
        new Case(2, 1, 24, 20, 40, 24, 0),
        new Case(2, 2, 520, 517, 1048, 1040, 1),
        new Case(40, 3, 32, 32, 96, 96, 0),
        // More groups than a block has, and more in all than there are warps that sum the gradient of the weight.
        new Case(3, 9, 136, 130, 1232, 1224, 1),
        new Case(200, 9, 16, 16, 144, 152, 0)
    };

    /** Sizes of a call. Weights are multiples of 2^-10, so that {@code weight + offset} is exact. */
    private record Case(int rows, int groups, int width, int meanWidth, int xStride, int outStride, int offset) {
        RmsNorm.Shape shape(DType dtype) {
            return new RmsNorm.Shape(rows, groups, width, meanWidth, new RmsNorm.Strides(xStride, outStride), dtype);
        }

        int count() {
            return rows * groups;
        }

        /** Rows with 0 in the padding, and {@code gap} between rows. */
        double[] fill(int stride, double gap, DoubleSupplier value) {
            double[] all = new double[rows * stride];
            for (int i = 0; i < all.length; i++) {
                int column = i % stride;
                boolean isPadding = column % width >= meanWidth;
                all[i] = column >= groups * width ? gap : isPadding ? 0 : value.getAsDouble();
            }
            return all;
        }

        double[] weights(Draw draw) {
            double[] weights = new double[width];
            for (int j = 0; j < meanWidth; j++) {
                weights[j] = Math.rint(draw.normal(1, 1)[0] * 1024) / 1024;
            }
            return weights;
        }

        /** A group without padding, counted over all rows. */
        double[] group(double[] all, int stride, int index) {
            int begin = index / groups * stride + index % groups * width;
            return Arrays.copyOfRange(all, begin, begin + meanWidth);
        }

        double[] sums(Tensor weight) {
            return Arrays.stream(weight.values())
                    .limit(meanWidth)
                    .map(w -> w + offset)
                    .toArray();
        }

        /** Padding is 0, and elements between rows are as they were. */
        void checkRest(String what, Tensor tensor, int stride) {
            double[] actual = tensor.values();
            double[] expected = new double[actual.length];
            for (int i = 0; i < actual.length; i++) {
                int column = i % stride;
                boolean isPadding = column % width >= meanWidth;
                expected[i] = column >= groups * width ? GAP : isPadding ? 0 : actual[i];
            }
            Expect.near("rest of %s of %s".formatted(what, this), actual, Expected.exact(expected));
        }
    }

    @OnEachDType
    void forward(On on) {
        for (Case each : CASES) {
            forward(on, each);
        }
    }

    private static void forward(On on, Case c) {
        Draw draw = new Draw(c.hashCode());
        DoubleSupplier normal = () -> draw.normal(1, 2)[0];
        try (Tensors tensors = new Tensors(on)) {
            Tensor x = tensors.input("x", on.dtype(), c.rows, c.xStride, c.fill(c.xStride, Double.NaN, normal));
            Tensor residual =
                    tensors.input("residual", on.dtype(), c.rows, c.xStride, c.fill(c.xStride, Double.NaN, normal));
            Tensor weight = tensors.input("weight", on.dtype(), 1, c.width, c.weights(draw));
            double[] initial = c.fill(c.outStride, GAP, () -> 0);
            Tensor out = tensors.updated("out", on.dtype(), c.rows, c.outStride, initial);
            Tensor outOfSum = tensors.updated("out of the sum", on.dtype(), c.rows, c.outStride, initial);
            Tensor sum = tensors.updated("sum", on.dtype(), c.rows, c.xStride, c.fill(c.xStride, GAP, () -> 0));
            Tensor rstd = tensors.output("rstd", DType.F32, 1, c.count());
            Tensor rstdOfSum = tensors.output("rstd of the sum", DType.F32, 1, c.count());
            RmsNorm.Inputs inputs = new RmsNorm.Inputs(x.address(), weight.address(), c.offset);
            tensors.run(device -> {
                RmsNorm.Results results = new RmsNorm.Results(out.address(), rstd.address());
                RmsNorm.forward(device, results, inputs, c.shape(on.dtype()), EPSILON);
                RmsNorm.forwardSum(
                        device,
                        new RmsNorm.Results(outOfSum.address(), rstdOfSum.address()),
                        inputs,
                        new RmsNorm.Sum(residual.address(), sum.address()),
                        c.shape(on.dtype()),
                        EPSILON);
            });
            double[] w = c.sums(weight);
            checkGroups(on.dtype(), c, w, x, out, rstd);
            checkGroups(on.dtype(), c, w, sum, outOfSum, rstdOfSum);
            c.checkRest("out", out, c.outStride);
            c.checkRest("sum", sum, c.xStride);
        }
    }

    private static void checkGroups(DType dtype, Case c, double[] w, Tensor x, Tensor out, Tensor rstd) {
        double[] inputs = x.values();
        double[] results = out.values();
        double[] rstds = rstd.values();
        for (int i = 0; i < c.count(); i++) {
            double[] in = c.group(inputs, c.xStride, i);
            Expect.near(
                    "out of %s, group %d".formatted(c, i),
                    c.group(results, c.outStride, i),
                    ReferenceRmsNorm.forward(dtype, in, w, EPSILON));
            double expected = ReferenceRmsNorm.rstd(in, EPSILON);
            Expect.near(
                    "rstd of %s, group %d".formatted(c, i),
                    new double[] {rstds[i]},
                    Expected.within(new double[] {expected}, j -> Tolerance.rstd(c.meanWidth, expected)));
        }
    }

    @OnEachDType
    void backward(On on) {
        for (Case each : CASES) {
            backward(on, each);
        }
    }

    /** d_x is d_out itself, or another tensor, with the same bits. */
    private static void backward(On on, Case c) {
        Draw draw = new Draw(c.hashCode() + 1L);
        DoubleSupplier normal = () -> draw.normal(1, 1)[0];
        try (Tensors tensors = new Tensors(on)) {
            Tensor x = tensors.input("x", on.dtype(), c.rows, c.xStride, c.fill(c.xStride, Double.NaN, normal));
            double[] gradients = c.fill(c.outStride, GAP, normal);
            Tensor dOut = tensors.input("d_out", on.dtype(), c.rows, c.outStride, gradients);
            Tensor inPlace = tensors.updated("d_x in place", on.dtype(), c.rows, c.outStride, gradients);
            Tensor dX = tensors.updated("d_x", on.dtype(), c.rows, c.outStride, c.fill(c.outStride, GAP, () -> 0));
            Tensor weight = tensors.input("weight", on.dtype(), 1, c.width, c.weights(draw));
            Tensor dWeight = tensors.updated("d_weight", DType.F32, 1, c.width, c.weights(draw));
            Tensor dWeightInPlace = tensors.updated("d_weight", DType.F32, 1, c.width, dWeight.values());
            Tensor workspace = tensors.workspace(RmsNorm.backwardWorkspaceBytes(c.count(), c.width));
            double[] xValues = x.values();
            double[] exact = new double[c.count()];
            Arrays.setAll(exact, i -> ReferenceRmsNorm.rstd(c.group(xValues, c.xStride, i), EPSILON));
            Tensor rstd = tensors.input("rstd", DType.F32, 1, c.count(), exact);
            double[] sums = Arrays.copyOf(dWeight.values(), c.meanWidth);
            RmsNorm.Inputs inputs = new RmsNorm.Inputs(x.address(), weight.address(), c.offset);
            RmsNorm.Gradients apart = new RmsNorm.Gradients(dOut.address(), 0, dX.address(), dWeight.address());
            RmsNorm.Gradients same =
                    new RmsNorm.Gradients(inPlace.address(), 0, inPlace.address(), dWeightInPlace.address());
            RmsNorm.Shape shape = c.shape(on.dtype());
            tensors.run(device -> {
                RmsNorm.backward(device, apart, inputs, rstd.address(), workspace.address(), shape);
                RmsNorm.backward(device, same, inputs, rstd.address(), workspace.address(), shape);
            });
            Expect.sameBits("d_x in place", inPlace.bits(), dX.bits());
            Expect.sameBits("d_weight", dWeightInPlace.bits(), dWeight.bits());
            double[] w = c.sums(weight);
            double[] magnitudes = Arrays.stream(sums).map(Math::abs).toArray();
            double[] dOutValues = dOut.values();
            double[] dXValues = dX.values();
            double[] rstds = rstd.values();
            for (int i = 0; i < c.count(); i++) {
                double[] d = c.group(dOutValues, c.outStride, i);
                double[] in = c.group(xValues, c.xStride, i);
                double r = rstds[i];
                double[] terms = ReferenceRmsNorm.backwardWeight(d, in, r);
                Arrays.setAll(sums, j -> sums[j] + terms[j]);
                Arrays.setAll(magnitudes, j -> magnitudes[j] + Math.abs(terms[j]));
                Expect.near(
                        "d_x of %s, group %d".formatted(c, i),
                        c.group(dXValues, c.outStride, i),
                        ReferenceRmsNorm.backwardX(on.dtype(), d, in, w, r, new double[c.meanWidth]));
            }
            c.checkRest("d_x", dX, c.outStride);
            // A sum of count() terms of two products each, and the start value.
            Expect.near(
                    "d_weight of %s".formatted(c),
                    Arrays.copyOf(dWeight.values(), c.meanWidth),
                    Expected.within(sums, j -> Tolerance.sum(c.count() + 2, magnitudes[j]) + Float.MIN_NORMAL));
        }
    }
}
