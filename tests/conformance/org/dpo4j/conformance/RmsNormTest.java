package org.dpo4j.conformance;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.decoder.Residual;
import org.dpo4j.kernels.decoder.RmsNorm;
import org.dpo4j.testkit.Draw;
import org.dpo4j.testkit.Expected;
import org.dpo4j.testkit.ReferenceRmsNorm;
import org.dpo4j.testkit.Tolerance;
import org.junit.jupiter.api.Tag;

class RmsNormTest {
    private static final float EPSILON = 1e-5f;

    /** Results of a forward call on a matrix of one shape. */
    private record Results(Tensor out, Tensor rstd, RmsNorm.Shape shape) {
        static Results of(Tensors tensors, On on, int rows, int width) {
            return new Results(
                    tensors.output("out", on.dtype(), rows, width),
                    tensors.output("rstd", DType.F32, 1, rows),
                    new RmsNorm.Shape(rows, width, on.dtype()));
        }

        private RmsNorm.Results addresses() {
            return new RmsNorm.Results(out.address(), rstd.address());
        }

        void forward(Device device, Tensor x, Tensor weight) {
            RmsNorm.Inputs inputs = new RmsNorm.Inputs(x.address(), weight.address());
            RmsNorm.forward(device, addresses(), inputs, shape, EPSILON);
        }

        /** An address of 0 means that the call has no sum or residual. */
        void forwardSum(Device device, Tensor x, Tensor weight, long residual, long sum) {
            RmsNorm.Inputs inputs = new RmsNorm.Inputs(x.address(), weight.address());
            RmsNorm.forwardSum(device, addresses(), inputs, new RmsNorm.Sum(residual, sum), shape, EPSILON);
        }
    }

    /** Runs forward and passes the results to {@code check}. */
    private static void forward(On on, int rows, int width, double[] values, double[] weights, Check check) {
        try (Tensors tensors = new Tensors(on)) {
            Results results = Results.of(tensors, on, rows, width);
            Tensor x = tensors.input("x", on.dtype(), rows, width, values);
            Tensor weight = tensors.input("weight", on.dtype(), 1, width, weights);
            tensors.run(device -> results.forward(device, x, weight));
            check.run(results, x, weight);
        }
    }

    private interface Check {
        void run(Results results, Tensor x, Tensor weight);
    }

    @OnEachDType
    @Tag("small")
    void forwardOfNarrowRows(On on) {
        int[][] shapes = {{1, 1}, {1, 7}, {3, 8}, {5, 31}, {2, 64}, {0, 8}};
        for (int[] shape : shapes) {
            forward(on, shape[0], shape[1], new Draw(shape[1]).normal(shape[0] * shape[1], 2));
        }
    }

    @OnEachDType
    void forwardOfWideRows(On on) {
        int[][] shapes = {
            {3, 127}, {5, 136}, {2, 512}, {5, 576}, {3, 1023}, {5, 1032}, {3, 2048}, {90, 40}, {2, 2056}, {2, 4096},
            {1, 5003}, {2, 8200}
        };
        for (int[] shape : shapes) {
            forward(on, shape[0], shape[1], new Draw(shape[1]).normal(shape[0] * shape[1], 2));
        }
    }

    @OnEachDType
    void forwardOfZerosAndOfNumbersWhoseSquaresAreTinyOrHuge(On on) {
        forward(on, 2, 40, new double[80]);
        forward(on, 2, 40, new Draw(1).normal(80, 1e-25));
        forward(on, 2, 40, new Draw(2).normal(80, 1e17));
    }

    /**
     * The square of 2e19 is larger than the max of fp32, 3.4e38, so the sum of squares of the second row is infinite. A
     * result of 0 (1 / infinity times the row) would hide that.
     */
    @OnEachDType
    @Tag("small")
    void aRowWhoseSquaresOverflowIsNaN(On on) {
        int width = 40;
        double[] values = new Draw(3).normal(3 * width, 1);
        Arrays.fill(values, width, 2 * width, 2e19);
        values[2 * width - 1] = -3e38;
        forward(on, 3, width, values, new Draw(4).normal(width, 1), (results, x, weight) -> {
            double[] rstd = results.rstd.values();
            assertThat(rstd[1]).isNaN();
            assertThat(results.out.row(1)).containsOnly(Double.NaN);
            for (int row : new int[] {0, 2}) {
                assertThat(rstd[row]).isFinite();
                assertThat(Arrays.stream(results.out.row(row)).allMatch(Double::isFinite))
                        .isTrue();
            }
        });
    }

    private static void forward(On on, int rows, int width, double[] values) {
        forward(on, rows, width, values, new Draw(rows).normal(width, 1), (results, x, weight) -> {
            double[] rstd = results.rstd.values();
            for (int row = 0; row < rows; row++) {
                double expected = ReferenceRmsNorm.rstd(x.row(row), EPSILON);
                String what = "rms_norm of [%d, %d], row %d".formatted(rows, width, row);
                assertThat(Math.abs(rstd[row] - expected))
                        .as(what)
                        .isLessThanOrEqualTo(Tolerance.rstd(width, expected));
                Expected y = ReferenceRmsNorm.forward(on.dtype(), x.row(row), weight.values(), EPSILON);
                Expect.near(what, results.out.row(row), y);
            }
        });
    }

    /** Has the bits of residual followed by rms_norm, wherever the sum is written. */
    @OnEachDType
    @Tag("small")
    void forwardOfSums(On on) {
        for (int[] shape : new int[][] {{1, 1}, {3, 7}, {2, 64}, {5, 520}, {2, 1032}, {1, 2056}, {1, 5003}, {0, 8}}) {
            forwardSum(on, shape[0], shape[1]);
        }
    }

    private static void forwardSum(On on, int rows, int width) {
        Draw draw = new Draw(width);
        double[] values = draw.normal(rows * width, 2);
        double[] branch = draw.normal(rows * width, 0.5);
        try (Tensors tensors = new Tensors(on)) {
            Tensor x = tensors.input("x", on.dtype(), rows, width, values);
            Tensor residual = tensors.input("residual", on.dtype(), rows, width, branch);
            Tensor weight = tensors.input("weight", on.dtype(), 1, width, draw.normal(width, 1));
            Tensor inX = tensors.updated("sum in x", on.dtype(), rows, width, values);
            Tensor inResidual = tensors.updated("sum in residual", on.dtype(), rows, width, branch);
            Tensor sumAlone = tensors.output("sum of residual_forward", on.dtype(), rows, width);
            Tensor[] sums = {tensors.output("sum", on.dtype(), rows, width), inX, inResidual};
            Tensor[] xs = {x, inX, x};
            Tensor[] residuals = {residual, residual, inResidual};
            Results alone = Results.of(tensors, on, rows, width);
            Results[] results = new Results[sums.length];
            Arrays.setAll(results, i -> Results.of(tensors, on, rows, width));
            tensors.run(device -> {
                for (int i = 0; i < sums.length; i++) {
                    results[i].forwardSum(device, xs[i], weight, residuals[i].address(), sums[i].address());
                }
                Residual.forward(
                        device, sumAlone.address(), x.address(), residual.address(), (long) rows * width, on.dtype());
                alone.forward(device, sumAlone, weight);
            });
            for (int i = 0; i < sums.length; i++) {
                Expect.sameBits("sum", sums[i].bits(), sumAlone.bits());
                Expect.sameBits("out of the sum", results[i].out.bits(), alone.out.bits());
                Expect.sameBits("rstd of the sum", results[i].rstd.bits(), alone.rstd.bits());
            }
        }
    }

    @OnEachDType
    @Tag("small")
    void backwardOfNarrowRows(On on) {
        int[][] shapes = {{1, 1}, {1, 7}, {3, 8}, {5, 31}, {19, 24}};
        for (int[] shape : shapes) {
            backward(on, shape[0], shape[1], true);
            backward(on, shape[0], shape[1], false);
        }
    }

    @OnEachDType
    void backwardOfWideRows(On on) {
        // Of up to 1024, 4096 and more columns, with several rows for each of 1536 warps and of 384 or 128 blocks.
        int[][] shapes = {
            {3, 127},
            {300, 40},
            {2, 1023},
            {3300, 9},
            {1600, 24},
            {7, 576},
            {390, 1032},
            {3, 2048},
            {390, 2056},
            {2, 4096},
            {1, 5003},
            {130, 4104},
            {3, 9000},
            {2, 12_288}
        };
        for (int[] shape : shapes) {
            // Many wide rows test the grid of the CUDA kernel. The code of the cpu does not depend on the width.
            int rows = on.cuda() || shape[1] < 1000 ? shape[0] : Math.min(shape[0], 40);
            backward(on, rows, shape[1], true);
        }
    }

    /** If there is a d_residual, it is d_x itself, as in the residual stream, or another tensor, with the same bits. */
    private static void backward(On on, int rows, int width, boolean residual) {
        Draw draw = new Draw(1000L * rows + width);
        RmsNorm.Shape shape = new RmsNorm.Shape(rows, width, on.dtype());
        try (Tensors tensors = new Tensors(on)) {
            double[] dResidual = residual ? draw.normal(rows * width, 1) : new double[rows * width];
            Tensor dX = residual
                    ? tensors.updated("d_x", on.dtype(), rows, width, dResidual)
                    : tensors.output("d_x", on.dtype(), rows, width);
            Tensor dXApart = tensors.output("d_x", on.dtype(), rows, width);
            Tensor dXFrozen = tensors.output("d_x", on.dtype(), rows, width);
            Tensor dResidualApart = tensors.input("d_residual", on.dtype(), rows, width, dResidual);
            double[] initial = draw.normal(width, 1);
            Tensor dWeight = tensors.updated("d_weight", DType.F32, 1, width, initial);
            Tensor dWeightApart = tensors.updated("d_weight", DType.F32, 1, width, initial);
            Tensor workspace = tensors.workspace(RmsNorm.backwardWorkspaceBytes(rows, width));
            Tensor dOut = tensors.input("d_out", on.dtype(), rows, width, draw.normal(rows * width, 1));
            Tensor x = tensors.input("x", on.dtype(), rows, width, draw.normal(rows * width, 2));
            Tensor weight = tensors.input("weight", on.dtype(), 1, width, draw.normal(width, 1));
            double[] rstds = new double[rows];
            Arrays.setAll(rstds, row -> ReferenceRmsNorm.rstd(x.row(row), EPSILON));
            Tensor rstd = tensors.input("rstd", DType.F32, 1, rows, rstds);
            double[] sums = dWeight.values();
            RmsNorm.Inputs inputs = new RmsNorm.Inputs(x.address(), weight.address());
            RmsNorm.Gradients inPlace =
                    new RmsNorm.Gradients(dOut.address(), residual ? dX.address() : 0, dX.address(), dWeight.address());
            RmsNorm.Gradients apart = new RmsNorm.Gradients(
                    dOut.address(), residual ? dResidualApart.address() : 0, dXApart.address(), dWeightApart.address());
            RmsNorm.Gradients frozen = new RmsNorm.Gradients(
                    dOut.address(), residual ? dResidualApart.address() : 0, dXFrozen.address(), 0);

            tensors.run(device -> {
                RmsNorm.backward(device, inPlace, inputs, rstd.address(), workspace.address(), shape);
                RmsNorm.backward(device, apart, inputs, rstd.address(), workspace.address(), shape);
                RmsNorm.backward(device, frozen, inputs, rstd.address(), workspace.address(), shape);
            });

            Expect.sameBits("d_x in place", dX.bits(), dXApart.bits());
            Expect.sameBits("d_weight", dWeight.bits(), dWeightApart.bits());
            Expect.sameBits("d_x with a frozen weight", dXFrozen.bits(), dXApart.bits());
            double[] w = weight.values();
            double[] magnitudes = Arrays.stream(sums).map(Math::abs).toArray();
            double[] stored = rstd.values();
            for (int row = 0; row < rows; row++) {
                double r = stored[row];
                double[] ofWeight = ReferenceRmsNorm.backwardWeight(dOut.row(row), x.row(row), r);
                for (int j = 0; j < width; j++) {
                    sums[j] += ofWeight[j];
                    magnitudes[j] += Math.abs(ofWeight[j]);
                }
                Expect.near(
                        "d_x of [%d, %d], row %d".formatted(rows, width, row),
                        dX.row(row),
                        ReferenceRmsNorm.backwardX(
                                on.dtype(), dOut.row(row), x.row(row), w, r, dResidualApart.row(row)));
            }
            // A sum of `rows` terms of two products each, and the start value.
            Expect.near(
                    "d_weight of [%d, %d]".formatted(rows, width),
                    dWeight.values(),
                    sums,
                    j -> Tolerance.sum(rows + 2, magnitudes[j]) + Float.MIN_NORMAL);
        }
    }

    @OnEachDType
    void aRowDoesNotDependOnOtherRows(On on) {
        for (int width : new int[] {100, 576, 1032, 2056}) {
            aRowDoesNotDependOnOtherRows(on, 37, width);
        }
    }

    private static void aRowDoesNotDependOnOtherRows(On on, int rows, int width) {
        double[] values = new Draw(3).normal(rows * width, 2);
        double[] weights = new Draw(4).normal(width, 1);
        long[] together = bits(on, rows, values, weights);
        for (int row = 0; row < rows; row += 9) {
            double[] alone = Arrays.copyOfRange(values, row * width, (row + 1) * width);
            long[] expected = Arrays.copyOfRange(together, row * width, (row + 1) * width);
            Expect.sameBits("row " + row + " alone", bits(on, 1, alone, weights), expected);
        }
    }

    private static long[] bits(On on, int rows, double[] values, double[] weights) {
        long[][] bits = new long[1][];
        forward(on, rows, weights.length, values, weights, (results, x, weight) -> bits[0] = results.out.bits());
        return bits[0];
    }

    @OnEachDType
    @Tag("small")
    void zeroRowsLeaveTheGradientOfTheWeightAsItWas(On on) {
        try (Tensors tensors = new Tensors(on)) {
            Tensor dWeight = tensors.updated("d_weight", DType.F32, 1, 8, new Draw(5).normal(8, 1));
            Tensor weight = tensors.input("weight", on.dtype(), 1, 8, new Draw(6).normal(8, 1));
            tensors.runEmpty(device -> RmsNorm.backward(
                    device,
                    new RmsNorm.Gradients(0, 0, 0, dWeight.address()),
                    new RmsNorm.Inputs(0, weight.address()),
                    0,
                    0,
                    new RmsNorm.Shape(0, 8, on.dtype())));
        }
    }

    @OnEachDType
    @Tag("small")
    void refusesBadArguments(On on) {
        int rows = 2;
        int width = 8;
        try (Tensors tensors = new Tensors(on)) {
            Results results = Results.of(tensors, on, rows, width);
            Tensor x = tensors.input("x", on.dtype(), rows, width, new Draw(7).normal(rows * width, 1));
            Tensor weight = tensors.input("weight", on.dtype(), 1, width, new Draw(8).normal(width, 1));
            Tensor sum = tensors.output("sum", on.dtype(), rows, width);
            Tensor residual = tensors.input("residual", on.dtype(), rows, width, new Draw(9).normal(rows * width, 1));
            String operation = "rms_norm_forward";
            tensors.refused(operation, "sum", device -> results.forwardSum(device, x, weight, residual.address(), 0));
            tensors.refused(operation, "sum", device -> results.forwardSum(device, x, weight, 0, sum.address()));
            new Refusals(tensors, operation)
                    .address("out", results.out)
                    .address("rstd", results.rstd)
                    .address("sum", sum)
                    .address("x", x)
                    .address("residual", residual)
                    .address("weight", weight)
                    .matrix(rows, width, on)
                    .size("mean_width", width, 0, -1, width + 1)
                    .size("groups", 1, 0, -1, 65_536)
                    .size("out_stride", width, 0, -1, width - 1)
                    .size("x_stride", width, 0, -1, width - 1)
                    .number("weight_offset", 1, Float.NaN, Float.POSITIVE_INFINITY)
                    .number("epsilon", EPSILON, -1e-5f, Float.NaN, Float.POSITIVE_INFINITY)
                    .check((device, a) -> RmsNorm.forwardSum(
                            device,
                            new RmsNorm.Results(a.get("out"), a.get("rstd")),
                            new RmsNorm.Inputs(a.get("x"), a.get("weight"), a.number("weight_offset")),
                            new RmsNorm.Sum(a.get("residual"), a.get("sum")),
                            shape(a),
                            a.number("epsilon")));
        }
        try (Tensors tensors = new Tensors(on)) {
            Draw draw = new Draw(9);
            new Refusals(tensors, "rms_norm_backward")
                    .address("d_x", tensors.output("d_x", on.dtype(), rows, width))
                    .addressOrNull("d_weight", tensors.updated("d_weight", DType.F32, 1, width, draw.normal(width, 1)))
                    .address("workspace", tensors.workspace(RmsNorm.backwardWorkspaceBytes(rows, width)))
                    .address("d_out", tensors.input("d_out", on.dtype(), rows, width, draw.normal(rows * width, 1)))
                    .addressOrNull(
                            "d_residual",
                            tensors.input("d_residual", on.dtype(), rows, width, draw.normal(rows * width, 1)))
                    .address("x", tensors.input("x", on.dtype(), rows, width, draw.normal(rows * width, 1)))
                    .address("weight", tensors.input("weight", on.dtype(), 1, width, draw.normal(width, 1)))
                    .address("rstd", tensors.vector("rstd", DType.F32, 1, 1))
                    .matrix(rows, width, on)
                    .size("mean_width", width, 0, -1, width + 1)
                    .size("groups", 1, 0, -1, 65_536)
                    .size("out_stride", width, 0, -1, width - 1)
                    .size("x_stride", width, 0, -1, width - 1)
                    .number("weight_offset", 1, Float.NaN, Float.POSITIVE_INFINITY)
                    .check((device, a) -> RmsNorm.backward(
                            device,
                            new RmsNorm.Gradients(a.get("d_out"), a.get("d_residual"), a.get("d_x"), a.get("d_weight")),
                            new RmsNorm.Inputs(a.get("x"), a.get("weight"), a.number("weight_offset")),
                            a.get("rstd"),
                            a.get("workspace"),
                            shape(a)));
        }
    }

    private static RmsNorm.Shape shape(Refusals.Arguments a) {
        return new RmsNorm.Shape(
                a.get("rows"),
                a.get("groups"),
                a.get("width"),
                a.get("mean_width"),
                new RmsNorm.Strides(a.get("x_stride"), a.get("out_stride")),
                a.dtype("dtype"));
    }
}
