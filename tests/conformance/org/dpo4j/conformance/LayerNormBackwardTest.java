package org.dpo4j.conformance;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.decoder.LayerNorm;
import org.dpo4j.testkit.Draw;
import org.dpo4j.testkit.Expected;
import org.dpo4j.testkit.ReferenceLayerNorm;
import org.dpo4j.testkit.ReferenceLayerNorm.Moments;
import org.dpo4j.testkit.Tolerance;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Tag;

class LayerNormBackwardTest {

    /** Inputs without padding. */
    private record Values(double[] dOut, double[] dResidual, double[] x, double[] weight) {
        static Values draw(LayerNormSize size, long seed) {
            Draw draw = new Draw(seed);
            double[] x = size.normal(draw, 2);
            Arrays.setAll(x, i -> x[i] + 3);
            return new Values(size.normal(draw, 1), size.normal(draw, 1), x, draw.normal(size.meanWidth(), 1));
        }

        Values row(int row) {
            int width = weight.length;
            int end = (row + 1) * width;
            return new Values(
                    Arrays.copyOfRange(dOut, row * width, end),
                    Arrays.copyOfRange(dResidual, row * width, end),
                    Arrays.copyOfRange(x, row * width, end),
                    weight);
        }
    }

    /** Inputs and results of backward. Moments are those of the rows, rounded to fp32. */
    private static final class Call {
        final LayerNormSize size;
        final Tensor dOut;
        final Tensor dResidual;
        final Tensor dX;
        final Tensor dWeight;
        final Tensor dBias;
        private final Tensor x;
        private final Tensor weight;
        private final Tensor mean;
        private final Tensor rstd;
        private final Tensor workspace;

        Call(Tensors tensors, LayerNormSize size, Values values) {
            this.size = size;
            int rows = size.rows();
            int width = size.width();
            dOut = size.matrix(tensors, "d_out", values.dOut);
            dResidual = size.matrix(tensors, "d_residual", values.dResidual);
            dX = tensors.output("d_x", size.dtype(), rows, width);
            Draw draw = new Draw(width);
            dWeight = tensors.updated("d_weight", DType.F32, 1, width, draw.normal(width, 1));
            dBias = tensors.updated("d_bias", DType.F32, 1, width, draw.normal(width, 1));
            x = size.matrix(tensors, "x", values.x);
            weight = size.vector(tensors, "weight", values.weight);
            Moments[] moments = new Moments[rows];
            Arrays.setAll(moments, row -> ReferenceLayerNorm.moments(size.row(x, row), LayerNormTest.EPSILON));
            mean = tensors.vector(
                    "mean",
                    DType.F32,
                    Arrays.stream(moments).mapToDouble(Moments::mean).toArray());
            rstd = tensors.vector(
                    "rstd",
                    DType.F32,
                    Arrays.stream(moments).mapToDouble(Moments::rstd).toArray());
            workspace = tensors.workspace(LayerNorm.backwardWorkspaceBytes(rows, width));
        }

        /** A {@code dResidual} of null: none. */
        void run(Device device, Tensor dOut, @Nullable Tensor dResidual, Tensor dX) {
            run(device, dOut, dResidual, dX, dWeight, dBias);
        }

        void run(Device device, Tensor dOut, @Nullable Tensor dResidual, Tensor dX, Tensor dWeight, Tensor dBias) {
            run(device, dOut, dResidual, dX, dWeight.address(), dBias.address());
        }

        /** With a weight and a bias that are frozen. */
        void runFrozen(Device device, Tensor dOut, @Nullable Tensor dResidual, Tensor dX) {
            run(device, dOut, dResidual, dX, 0, 0);
        }

        private void run(Device device, Tensor dOut, @Nullable Tensor dResidual, Tensor dX, long dWeight, long dBias) {
            LayerNorm.backward(
                    device,
                    new LayerNorm.Gradients(
                            dOut.address(), dResidual == null ? 0 : dResidual.address(), dX.address(), dWeight, dBias),
                    new LayerNorm.Inputs(x.address(), weight.address(), 0),
                    new LayerNorm.Saved(mean.address(), rstd.address()),
                    workspace.address(),
                    size.shape());
        }

        void check(boolean hasResidual, double[] initialWeight, double[] initialBias) {
            double[] none = new double[size.meanWidth()];
            double[] w = size.row(weight, 0);
            Sum weights = new Sum(initialWeight, size);
            Sum biases = new Sum(initialBias, size);
            double[] means = mean.values();
            double[] rstds = rstd.values();
            for (int row = 0; row < size.rows(); row++) {
                Moments moments = new Moments(means[row], rstds[row]);
                double[] d = size.row(dOut, row);
                weights.add(ReferenceLayerNorm.backwardWeight(d, size.row(x, row), moments));
                biases.add(d);
                Expected expected = ReferenceLayerNorm.backwardX(
                        size.dtype(), d, size.row(x, row), w, moments, hasResidual ? size.row(dResidual, row) : none);
                size.check("d_x", dX.row(row), expected);
            }
            weights.check("d_weight", dWeight);
            biases.check("d_bias", dBias);
        }
    }

    /** The sum of a gradient over rows. */
    private record Sum(double[] values, double[] magnitudes, double[] initial, LayerNormSize size) {
        Sum(double[] initial, LayerNormSize size) {
            this(
                    Arrays.copyOf(initial, size.meanWidth()),
                    Arrays.stream(initial)
                            .limit(size.meanWidth())
                            .map(Math::abs)
                            .toArray(),
                    initial,
                    size);
        }

        void add(double[] terms) {
            Arrays.setAll(values, j -> values[j] + terms[j]);
            Arrays.setAll(magnitudes, j -> magnitudes[j] + Math.abs(terms[j]));
        }

        /** A sum of {@code rows} terms, with a subtraction and two products in each, and the start value. */
        void check(String what, Tensor actual) {
            double[] got = actual.row(0);
            Expect.near(
                    "%s of %s".formatted(what, size),
                    Arrays.copyOf(got, size.meanWidth()),
                    values,
                    j -> Tolerance.sum(size.rows() + 3, magnitudes[j]) + Float.MIN_NORMAL);
            for (int j = size.meanWidth(); j < size.width(); j++) {
                assertThat(got[j]).as("padding of %s of %s", what, size).isEqualTo(initial[j]);
            }
        }
    }

    @OnEachDType
    @Tag("small")
    void backwardOfNarrowRows(On on) {
        for (int[] sizes : LayerNormSize.NARROW) {
            backward(on, LayerNormSize.of(sizes, on), true);
            backward(on, LayerNormSize.of(sizes, on), false);
        }
    }

    @OnEachDType
    void backwardOfWideRows(On on) {
        for (int[] sizes : LayerNormSize.WIDE) {
            backward(on, LayerNormSize.of(sizes, on), true);
        }
    }

    /** Of wide rows, 384 blocks add their sums on cuda: here each has two rows. Narrow rows have 1536, and 1600 rows above. */
    @OnEachDType
    @Tag("large")
    void backwardOfMoreWideRowsThanBlocks(On on) {
        backward(on, new LayerNormSize(390, 1030, 1032, on.dtype()), true);
    }

    /** d_x is a tensor apart, d_residual as in the residual stream, or d_out, with the same bits. */
    private static void backward(On on, LayerNormSize size, boolean hasResidual) {
        try (Tensors tensors = new Tensors(on)) {
            Call b = new Call(tensors, size, Values.draw(size, 1000L * size.rows() + size.width()));
            double[] initialWeight = b.dWeight.values();
            double[] initialBias = b.dBias.values();
            int rows = size.rows();
            int width = size.width();
            Tensor residual = hasResidual ? b.dResidual : null;
            Tensor inResidual = tensors.updated("d_x in d_residual", size.dtype(), rows, width, b.dResidual.values());
            Tensor inOut = tensors.updated("d_x in d_out", size.dtype(), rows, width, b.dOut.values());
            Tensor frozen = tensors.output("d_x", size.dtype(), rows, width);
            Tensor[] dWeights = new Tensor[2];
            Tensor[] dBiases = new Tensor[2];
            Arrays.setAll(dWeights, i -> tensors.updated("d_weight", DType.F32, 1, width, initialWeight));
            Arrays.setAll(dBiases, i -> tensors.updated("d_bias", DType.F32, 1, width, initialBias));
            tensors.run(device -> {
                b.run(device, b.dOut, residual, b.dX);
                b.runFrozen(device, b.dOut, residual, frozen);
                b.run(device, b.dOut, hasResidual ? inResidual : null, inResidual, dWeights[0], dBiases[0]);
                b.run(device, inOut, residual, inOut, dWeights[1], dBiases[1]);
            });
            Expect.sameBits("d_x with a frozen weight", frozen.bits(), b.dX.bits());
            Expect.sameBits("d_x in d_residual", inResidual.bits(), b.dX.bits());
            Expect.sameBits("d_x in d_out", inOut.bits(), b.dX.bits());
            for (int i = 0; i < 2; i++) {
                Expect.sameBits("d_weight", dWeights[i].bits(), b.dWeight.bits());
                Expect.sameBits("d_bias", dBiases[i].bits(), b.dBias.bits());
            }
            b.check(hasResidual, initialWeight, initialBias);
        }
    }

    /** The gradient of a row of one element is 0, because its result does not depend on it. */
    @OnEachDType
    @Tag("small")
    void aRowOfOneElementHasNoGradient(On on) {
        LayerNormSize size = new LayerNormSize(4, 1, 1, on.dtype());
        try (Tensors tensors = new Tensors(on)) {
            Values values = Values.draw(size, 5);
            Call call = new Call(tensors, size, values);
            tensors.run(device -> call.run(device, call.dOut, call.dResidual, call.dX));
            Expect.exactly("d_x", call.dX.values(), call.dResidual.values());
        }
    }

    @OnEachDType
    void aRowDoesNotDependOnOtherRows(On on) {
        for (int[] widths : new int[][] {{97, 104}, {600, 600}}) {
            LayerNormSize size = new LayerNormSize(37, widths[0], widths[1], on.dtype());
            Values values = Values.draw(size, 3);
            long[] together = bits(on, size, values);
            for (int row = 0; row < size.rows(); row += 9) {
                LayerNormSize one = new LayerNormSize(1, widths[0], widths[1], on.dtype());
                long[] expected = Arrays.copyOfRange(together, row * widths[1], (row + 1) * widths[1]);
                Expect.sameBits("row " + row + " alone", bits(on, one, values.row(row)), expected);
            }
        }
    }

    private static long[] bits(On on, LayerNormSize size, Values values) {
        try (Tensors tensors = new Tensors(on)) {
            Call call = new Call(tensors, size, values);
            tensors.run(device -> call.run(device, call.dOut, call.dResidual, call.dX));
            return call.dX.bits();
        }
    }

    @OnEachDType
    @Tag("small")
    void zeroRowsLeaveTheGradientsOfWeightAndBiasAsTheyWere(On on) {
        LayerNormSize size = new LayerNormSize(0, 8, 8, on.dtype());
        try (Tensors tensors = new Tensors(on)) {
            Call call = new Call(tensors, size, Values.draw(size, 6));
            tensors.runEmpty(device -> call.run(device, call.dOut, null, call.dX));
        }
    }

    @OnEachDType
    @Tag("small")
    void refusesBadArguments(On on) {
        LayerNormSize size = new LayerNormSize(2, 8, 8, on.dtype());
        try (Tensors tensors = new Tensors(on)) {
            Call call = new Call(tensors, size, Values.draw(size, 9));
            new Refusals(tensors, "layer_norm_backward")
                    .address("d_x", call.dX)
                    .addressOrNull("d_weight", call.dWeight)
                    .address("d_bias", call.dBias)
                    .address("workspace", call.workspace)
                    .address("d_out", call.dOut)
                    .addressOrNull("d_residual", call.dResidual)
                    .address("x", call.x)
                    .address("weight", call.weight)
                    .address("mean", call.mean)
                    .address("rstd", call.rstd)
                    .matrix(2, 8, on)
                    .size("mean_width", 8, 0, -1, 9)
                    .check((device, a) -> LayerNorm.backward(
                            device,
                            new LayerNorm.Gradients(
                                    a.get("d_out"),
                                    a.get("d_residual"),
                                    a.get("d_x"),
                                    a.get("d_weight"),
                                    a.get("d_bias")),
                            new LayerNorm.Inputs(a.get("x"), a.get("weight"), 0),
                            new LayerNorm.Saved(a.get("mean"), a.get("rstd")),
                            a.get("workspace"),
                            LayerNormSize.shape(a)));
        }
    }
}
