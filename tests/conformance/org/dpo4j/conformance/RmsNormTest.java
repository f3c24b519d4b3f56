package org.dpo4j.conformance;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.function.Consumer;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.decoder.MatrixShape;
import org.dpo4j.kernels.decoder.Residual;
import org.dpo4j.kernels.decoder.RmsNorm;
import org.junit.jupiter.api.Tag;

class RmsNormTest {
    private static final float EPSILON = 1e-5f;

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
        int[][] shapes = {{3, 127}, {2, 512}, {2, 520}, {3, 1023}, {90, 40}, {2, 4096}, {1, 5003}};
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
     * fp32 holds numbers below 3.41e38 and no square of 2e19, so the sum of squares of the second row is infinite. A row
     * of zeros, 1 / infinity times the row, would hide that.
     */
    @OnEachDType
    @Tag("small")
    void aRowWhoseSquaresOverflowIsNaN(On on) {
        int width = 40;
        double[] values = new Draw(3).normal(3 * width, 1);
        Arrays.fill(values, width, 2 * width, 2e19);
        values[2 * width - 1] = -3e38;
        try (Tensors tensors = new Tensors(on)) {
            Tensor out = tensors.output("out", on.dtype(), 3, width);
            Tensor rstd = tensors.output("rstd", DType.F32, 1, 3);
            Tensor x = tensors.input("x", on.dtype(), 3, width, values);
            Tensor weight = tensors.input("weight", on.dtype(), 1, width, new Draw(4).normal(width, 1));
            tensors.run(device -> RmsNorm.forward(
                    device,
                    new RmsNorm.Results(out.address(), rstd.address()),
                    new RmsNorm.Inputs(x.address(), weight.address()),
                    new MatrixShape(3, width, on.dtype()),
                    EPSILON));
            assertThat(rstd.values()[1]).isNaN();
            assertThat(out.row(1)).containsOnly(Double.NaN);
            for (int row : new int[] {0, 2}) {
                assertThat(rstd.values()[row]).isFinite();
                assertThat(Arrays.stream(out.row(row)).allMatch(Double::isFinite))
                        .isTrue();
            }
        }
    }

    private static void forward(On on, int rows, int width, double[] values) {
        try (Tensors tensors = new Tensors(on)) {
            Tensor out = tensors.output("out", on.dtype(), rows, width);
            Tensor rstd = tensors.output("rstd", DType.F32, 1, rows);
            Tensor x = tensors.input("x", on.dtype(), rows, width, values);
            Tensor weight = tensors.input("weight", on.dtype(), 1, width, new Draw(rows).normal(width, 1));
            tensors.run(device -> RmsNorm.forward(
                    device,
                    new RmsNorm.Results(out.address(), rstd.address()),
                    new RmsNorm.Inputs(x.address(), weight.address()),
                    new MatrixShape(rows, width, on.dtype()),
                    EPSILON));
            for (int row = 0; row < rows; row++) {
                double r = ReferenceRmsNorm.rstd(x.row(row), EPSILON);
                double[] y = ReferenceRmsNorm.forward(x.row(row), weight.values(), r);
                String what = "rms_norm of [%d, %d], row %d".formatted(rows, width, row);
                assertThat(Math.abs(rstd.values()[row] - r)).as(what).isLessThanOrEqualTo(Tolerance.rstd(width, r));
                Expect.near(
                        what, out.row(row), y, i -> Tolerance.stored(on.dtype(), y[i], Tolerance.rmsNorm(width, y[i])));
            }
        }
    }

    /** The bits of residual and then rms_norm, wherever the sum goes. */
    @OnEachDType
    @Tag("small")
    void forwardOfSums(On on) {
        for (int[] shape : new int[][] {{1, 1}, {3, 7}, {2, 64}, {2, 520}, {1, 5003}, {0, 8}}) {
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
            Tensor sum = tensors.output("sum", on.dtype(), rows, width);
            Tensor inX = tensors.updated("sum in x", on.dtype(), rows, width, values);
            Tensor inResidual = tensors.updated("sum in residual", on.dtype(), rows, width, branch);
            Tensor sumAlone = tensors.output("sum of residual_forward", on.dtype(), rows, width);
            Tensor[] outs = new Tensor[4];
            Tensor[] rstds = new Tensor[4];
            for (int i = 0; i < 4; i++) {
                outs[i] = tensors.output("out", on.dtype(), rows, width);
                rstds[i] = tensors.output("rstd", DType.F32, 1, rows);
            }
            long[][] places = {
                {sum.address(), x.address(), residual.address()},
                {inX.address(), inX.address(), residual.address()},
                {inResidual.address(), x.address(), inResidual.address()}
            };
            tensors.run(device -> {
                for (int i = 0; i < 3; i++) {
                    RmsNorm.forwardSum(
                            device,
                            new RmsNorm.Results(outs[i].address(), rstds[i].address()),
                            new RmsNorm.Inputs(places[i][1], weight.address()),
                            new RmsNorm.Sum(places[i][2], places[i][0]),
                            new MatrixShape(rows, width, on.dtype()),
                            EPSILON);
                }
                Residual.forward(
                        device, sumAlone.address(), x.address(), residual.address(), (long) rows * width, on.dtype());
                RmsNorm.forward(
                        device,
                        new RmsNorm.Results(outs[3].address(), rstds[3].address()),
                        new RmsNorm.Inputs(sumAlone.address(), weight.address()),
                        new MatrixShape(rows, width, on.dtype()),
                        EPSILON);
            });
            Tensor[] sums = {sum, inX, inResidual};
            for (int i = 0; i < 3; i++) {
                Expect.sameBits("sum", sums[i].bits(), sumAlone.bits());
                Expect.sameBits("out of the sum", outs[i].bits(), outs[3].bits());
                Expect.sameBits("rstd of the sum", rstds[i].bits(), rstds[3].bits());
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
        int[][] shapes = {{3, 127}, {300, 40}, {2, 1023}, {700, 9}, {2, 4096}, {1, 5003}, {3, 9000}, {2, 12_288}};
        for (int[] shape : shapes) {
            backward(on, shape[0], shape[1], true);
        }
    }

    /** d_residual lies in d_x itself when there is one: the form the residual stream uses; and elsewhere, the same bits. */
    private static void backward(On on, int rows, int width, boolean residual) {
        Draw draw = new Draw(1000L * rows + width);
        try (Tensors tensors = new Tensors(on)) {
            double[] dResidual = residual ? draw.normal(rows * width, 1) : new double[rows * width];
            Tensor dX = residual
                    ? tensors.updated("d_x", on.dtype(), rows, width, dResidual)
                    : tensors.output("d_x", on.dtype(), rows, width);
            Tensor dXApart = tensors.output("d_x", on.dtype(), rows, width);
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
            double[] added = dResidualApart.values();
            double[] startOfWeight = dWeight.values();

            tensors.run(device -> {
                RmsNorm.backward(
                        device,
                        new RmsNorm.Gradients(
                                dOut.address(), residual ? dX.address() : 0, dX.address(), dWeight.address()),
                        new RmsNorm.Inputs(x.address(), weight.address()),
                        rstd.address(),
                        workspace.address(),
                        new MatrixShape(rows, width, on.dtype()));
                RmsNorm.backward(
                        device,
                        new RmsNorm.Gradients(
                                dOut.address(),
                                residual ? dResidualApart.address() : 0,
                                dXApart.address(),
                                dWeightApart.address()),
                        new RmsNorm.Inputs(x.address(), weight.address()),
                        rstd.address(),
                        workspace.address(),
                        new MatrixShape(rows, width, on.dtype()));
            });

            Expect.sameBits("d_x in place", dX.bits(), dXApart.bits());
            Expect.sameBits("d_weight", dWeight.bits(), dWeightApart.bits());
            double[] w = weight.values();
            double[] sums = startOfWeight.clone();
            double[] magnitudes = Arrays.stream(sums).map(Math::abs).toArray();
            for (int row = 0; row < rows; row++) {
                double[] dy = dOut.row(row);
                double[] xs = x.row(row);
                double r = rstd.values()[row];
                double[] expected = ReferenceRmsNorm.backwardX(dy, xs, w, r);
                double[] ofWeight = ReferenceRmsNorm.backwardWeight(dy, xs, r);
                double dot = 0;
                for (int j = 0; j < width; j++) {
                    expected[j] += added[row * width + j];
                    sums[j] += ofWeight[j];
                    magnitudes[j] += Math.abs(ofWeight[j]);
                    dot += Math.abs(w[j] * dy[j] * xs[j]);
                }
                double dotMagnitude = dot;
                int first = row * width;
                Expect.near("d_x of [%d, %d], row %d".formatted(rows, width, row), dX.row(row), expected, j -> {
                    double error =
                            Tolerance.rmsNormBackward(width, added[first + j], r, w[j] * dy[j], xs[j], dotMagnitude);
                    return Tolerance.stored(on.dtype(), expected[j], error);
                });
            }
            // rows terms of two products each, and the start value.
            Expect.near(
                    "d_weight of [%d, %d]".formatted(rows, width),
                    dWeight.values(),
                    sums,
                    j -> Tolerance.sum(rows + 2, magnitudes[j]) + Float.MIN_NORMAL);
        }
    }

    @OnEachDType
    void rowsDoNotFeelEachOther(On on) {
        int rows = 37;
        int width = 100;
        double[] values = new Draw(3).normal(rows * width, 2);
        double[] weights = new Draw(4).normal(width, 1);
        long[] together = bits(on, rows, width, values, weights);
        for (int row = 0; row < rows; row += 9) {
            double[] alone = Arrays.copyOfRange(values, row * width, (row + 1) * width);
            long[] expected = Arrays.copyOfRange(together, row * width, (row + 1) * width);
            Expect.sameBits("row " + row + " alone", bits(on, 1, width, alone, weights), expected);
        }
    }

    private static long[] bits(On on, int rows, int width, double[] values, double[] weights) {
        try (Tensors tensors = new Tensors(on)) {
            Tensor out = tensors.output("out", on.dtype(), rows, width);
            Tensor rstd = tensors.output("rstd", DType.F32, 1, rows);
            Tensor x = tensors.input("x", on.dtype(), rows, width, values);
            Tensor weight = tensors.input("weight", on.dtype(), 1, width, weights);
            tensors.run(device -> RmsNorm.forward(
                    device,
                    new RmsNorm.Results(out.address(), rstd.address()),
                    new RmsNorm.Inputs(x.address(), weight.address()),
                    new MatrixShape(rows, width, on.dtype()),
                    EPSILON));
            return out.bits();
        }
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
                    new MatrixShape(0, 8, on.dtype())));
        }
    }

    private static Consumer<Device> forward(
            On on, Tensor out, Tensor rstd, long sum, Tensor x, long residual, Tensor weight) {
        return device -> RmsNorm.forwardSum(
                device,
                new RmsNorm.Results(out.address(), rstd.address()),
                new RmsNorm.Inputs(x.address(), weight.address()),
                new RmsNorm.Sum(residual, sum),
                new MatrixShape(out.rows, out.width, on.dtype()),
                EPSILON);
    }

    @OnEachDType
    @Tag("small")
    void refusesBadArguments(On on) {
        int rows = 2;
        int width = 8;
        try (Tensors tensors = new Tensors(on)) {
            Tensor out = tensors.output("out", on.dtype(), rows, width);
            Tensor rstd = tensors.output("rstd", DType.F32, 1, rows);
            Tensor x = tensors.input("x", on.dtype(), rows, width, new Draw(7).normal(rows * width, 1));
            Tensor weight = tensors.input("weight", on.dtype(), 1, width, new Draw(8).normal(width, 1));
            Tensor sum = tensors.output("sum", on.dtype(), rows, width);
            Tensor residual = tensors.input("residual", on.dtype(), rows, width, new Draw(9).normal(rows * width, 1));
            tensors.refused("rms_norm_forward", "sum", forward(on, out, rstd, 0, x, residual.address(), weight));
            tensors.refused("rms_norm_forward", "sum", forward(on, out, rstd, sum.address(), x, 0, weight));
            new Refusals(tensors, "rms_norm_forward")
                    .address("out", out)
                    .address("rstd", rstd)
                    .address("sum", sum)
                    .address("x", x)
                    .address("residual", residual)
                    .address("weight", weight)
                    .size("rows", rows, -1)
                    .size("width", width, 0, -8)
                    .number("epsilon", EPSILON, -1e-5f, Float.NaN, Float.POSITIVE_INFINITY)
                    .dtype("dtype", on)
                    .check((device, a) -> RmsNorm.forwardSum(
                            device,
                            new RmsNorm.Results(a.get("out"), a.get("rstd")),
                            new RmsNorm.Inputs(a.get("x"), a.get("weight")),
                            new RmsNorm.Sum(a.get("residual"), a.get("sum")),
                            new MatrixShape(a.get("rows"), a.get("width"), a.dtype("dtype")),
                            a.number("epsilon")));
        }
        try (Tensors tensors = new Tensors(on)) {
            Draw draw = new Draw(9);
            Tensor dX = tensors.output("d_x", on.dtype(), rows, width);
            Tensor dWeight = tensors.updated("d_weight", DType.F32, 1, width, draw.normal(width, 1));
            Tensor workspace = tensors.workspace(RmsNorm.backwardWorkspaceBytes(rows, width));
            Tensor dOut = tensors.input("d_out", on.dtype(), rows, width, draw.normal(rows * width, 1));
            Tensor dResidual = tensors.input("d_residual", on.dtype(), rows, width, draw.normal(rows * width, 1));
            Tensor x = tensors.input("x", on.dtype(), rows, width, draw.normal(rows * width, 1));
            Tensor weight = tensors.input("weight", on.dtype(), 1, width, draw.normal(width, 1));
            Tensor rstd = tensors.vector("rstd", DType.F32, 1, 1);
            new Refusals(tensors, "rms_norm_backward")
                    .address("d_x", dX)
                    .address("d_weight", dWeight)
                    .address("workspace", workspace)
                    .address("d_out", dOut)
                    .addressOrNull("d_residual", dResidual)
                    .address("x", x)
                    .address("weight", weight)
                    .address("rstd", rstd)
                    .size("rows", rows, -1)
                    .size("width", width, 0, -8)
                    .dtype("dtype", on)
                    .check((device, a) -> RmsNorm.backward(
                            device,
                            new RmsNorm.Gradients(a.get("d_out"), a.get("d_residual"), a.get("d_x"), a.get("d_weight")),
                            new RmsNorm.Inputs(a.get("x"), a.get("weight")),
                            a.get("rstd"),
                            a.get("workspace"),
                            new MatrixShape(a.get("rows"), a.get("width"), a.dtype("dtype"))));
        }
    }
}
