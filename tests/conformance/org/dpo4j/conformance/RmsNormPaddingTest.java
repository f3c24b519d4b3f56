package org.dpo4j.conformance;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.decoder.RmsNorm;
import org.dpo4j.testkit.Draw;
import org.dpo4j.testkit.Expected;
import org.dpo4j.testkit.ReferenceRmsNorm;
import org.dpo4j.testkit.Tolerance;
import org.junit.jupiter.api.Tag;

/** Rows that end in padding of 0: the results are those of the rows without it, and 0 in the padding. */
@Tag("small")
class RmsNormPaddingTest {
    private static final float EPSILON = 1e-5f;
    private static final int ROWS = 5;

    /**
     * Elements of a row without padding, and with it. The kernels change at widths of 128, 1024, 2048 and 4096.
     */
    private static final int[][] WIDTHS = {
        {1, 8}, {6, 8}, {35, 40}, {9, 24}, {510, 520}, {1030, 1032}, {2050, 2056}, {4999, 5000}
    };

    private static double[] pad(double[] values, int width, int padded) {
        double[] all = new double[values.length / width * padded];
        for (int i = 0; i < values.length; i++) {
            all[i / width * padded + i % width] = values[i];
        }
        return all;
    }

    /** Inputs of one width, with and without padding. */
    private record Rows(int width, int padded, DType dtype) {
        RmsNorm.Shape shape() {
            return new RmsNorm.Shape(ROWS, padded, width, dtype);
        }

        double[] draw(Draw draw, int rows, double deviation) {
            return pad(draw.normal(rows * width, deviation), width, padded);
        }

        double[] row(Tensor tensor, int row) {
            return Arrays.copyOf(tensor.row(row), width);
        }

        void check(String what, double[] actual, Expected expected) {
            Expect.near("%s of %s".formatted(what, this), Arrays.copyOf(actual, width), expected);
            for (int i = width; i < padded; i++) {
                assertThat(Math.abs(actual[i]))
                        .as("padding of %s of %s", what, this)
                        .isZero();
            }
        }
    }

    @OnEachDType
    void forward(On on) {
        for (int[] widths : WIDTHS) {
            forward(on, new Rows(widths[0], widths[1], on.dtype()));
        }
    }

    private static void forward(On on, Rows rows) {
        Draw draw = new Draw(rows.width);
        try (Tensors tensors = new Tensors(on)) {
            Tensor x = tensors.input("x", on.dtype(), ROWS, rows.padded, rows.draw(draw, ROWS, 2));
            Tensor residual = tensors.input("residual", on.dtype(), ROWS, rows.padded, rows.draw(draw, ROWS, 1));
            Tensor weight = tensors.input("weight", on.dtype(), 1, rows.padded, rows.draw(draw, 1, 1));
            Tensor out = tensors.output("out", on.dtype(), ROWS, rows.padded);
            Tensor sum = tensors.output("sum", on.dtype(), ROWS, rows.padded);
            Tensor outOfSum = tensors.output("out of the sum", on.dtype(), ROWS, rows.padded);
            Tensor rstd = tensors.output("rstd", DType.F32, 1, ROWS);
            Tensor rstdOfSum = tensors.output("rstd of the sum", DType.F32, 1, ROWS);
            RmsNorm.Inputs inputs = new RmsNorm.Inputs(x.address(), weight.address());
            tensors.run(device -> {
                RmsNorm.Results results = new RmsNorm.Results(out.address(), rstd.address());
                RmsNorm.forward(device, results, inputs, rows.shape(), EPSILON);
                RmsNorm.forwardSum(
                        device,
                        new RmsNorm.Results(outOfSum.address(), rstdOfSum.address()),
                        inputs,
                        new RmsNorm.Sum(residual.address(), sum.address()),
                        rows.shape(),
                        EPSILON);
            });
            double[] w = rows.row(weight, 0);
            for (int row = 0; row < ROWS; row++) {
                rows.check("out", out.row(row), ReferenceRmsNorm.forward(on.dtype(), rows.row(x, row), w, EPSILON));
                double[] summed = rows.row(sum, row);
                rows.check(
                        "out of the sum", outOfSum.row(row), ReferenceRmsNorm.forward(on.dtype(), summed, w, EPSILON));
                rows.check("sum", sum.row(row), Expected.exact(summed));
            }
        }
    }

    @OnEachDType
    void backward(On on) {
        for (int[] widths : WIDTHS) {
            backward(on, new Rows(widths[0], widths[1], on.dtype()));
        }
    }

    private static void backward(On on, Rows rows) {
        Draw draw = new Draw(rows.width + 1L);
        int padded = rows.padded;
        try (Tensors tensors = new Tensors(on)) {
            Tensor dX = tensors.output("d_x", on.dtype(), ROWS, padded);
            Tensor dWeight = tensors.updated("d_weight", DType.F32, 1, padded, rows.draw(draw, 1, 1));
            Tensor workspace = tensors.workspace(RmsNorm.backwardWorkspaceBytes(ROWS, padded));
            Tensor dOut = tensors.input("d_out", on.dtype(), ROWS, padded, rows.draw(draw, ROWS, 1));
            Tensor dResidual = tensors.input("d_residual", on.dtype(), ROWS, padded, rows.draw(draw, ROWS, 1));
            Tensor x = tensors.input("x", on.dtype(), ROWS, padded, rows.draw(draw, ROWS, 2));
            Tensor weight = tensors.input("weight", on.dtype(), 1, padded, rows.draw(draw, 1, 1));
            double[] rstds = new double[ROWS];
            Arrays.setAll(rstds, row -> ReferenceRmsNorm.rstd(rows.row(x, row), EPSILON));
            Tensor rstd = tensors.input("rstd", DType.F32, 1, ROWS, rstds);
            double[] sums = rows.row(dWeight, 0);
            tensors.run(device -> RmsNorm.backward(
                    device,
                    new RmsNorm.Gradients(dOut.address(), dResidual.address(), dX.address(), dWeight.address()),
                    new RmsNorm.Inputs(x.address(), weight.address()),
                    rstd.address(),
                    workspace.address(),
                    rows.shape()));
            double[] w = rows.row(weight, 0);
            double[] magnitudes = Arrays.stream(sums).map(Math::abs).toArray();
            for (int row = 0; row < ROWS; row++) {
                double r = rstd.values()[row];
                double[] terms = ReferenceRmsNorm.backwardWeight(rows.row(dOut, row), rows.row(x, row), r);
                Arrays.setAll(sums, j -> sums[j] + terms[j]);
                Arrays.setAll(magnitudes, j -> magnitudes[j] + Math.abs(terms[j]));
                Expected expected = ReferenceRmsNorm.backwardX(
                        on.dtype(), rows.row(dOut, row), rows.row(x, row), w, r, rows.row(dResidual, row));
                rows.check("d_x", dX.row(row), expected);
            }
            // A sum of ROWS terms of two products each, and the start value.
            rows.check(
                    "d_weight",
                    dWeight.row(0),
                    Expected.within(sums, j -> Tolerance.sum(ROWS + 2, magnitudes[j]) + Float.MIN_NORMAL));
        }
    }
}
