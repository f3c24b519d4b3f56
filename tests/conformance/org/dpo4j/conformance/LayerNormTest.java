package org.dpo4j.conformance;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Arrays;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.decoder.LayerNorm;
import org.dpo4j.kernels.decoder.Residual;
import org.dpo4j.testkit.Draw;
import org.dpo4j.testkit.Expected;
import org.dpo4j.testkit.ReferenceLayerNorm;
import org.dpo4j.testkit.ReferenceLayerNorm.Moments;
import org.dpo4j.testkit.Tolerance;
import org.junit.jupiter.api.Tag;

class LayerNormTest {
    static final float EPSILON = 1e-5f;

    /** Results of a forward call. */
    private record Results(Tensor out, Tensor mean, Tensor rstd, LayerNormSize size) {
        static Results of(Tensors tensors, LayerNormSize size) {
            return new Results(
                    tensors.output("out", size.dtype(), size.rows(), size.width()),
                    tensors.output("mean", DType.F32, 1, size.rows()),
                    tensors.output("rstd", DType.F32, 1, size.rows()),
                    size);
        }

        LayerNorm.Saved saved() {
            return new LayerNorm.Saved(mean.address(), rstd.address());
        }

        Moments moments(int row) {
            return new Moments(mean.values()[row], rstd.values()[row]);
        }

        void forward(Device device, LayerNorm.Inputs inputs, float epsilon) {
            LayerNorm.forward(device, out.address(), saved(), inputs, size.shape(), epsilon);
        }

        void forwardSum(Device device, LayerNorm.Inputs inputs, long residual, long sum) {
            LayerNorm.Sum sums = new LayerNorm.Sum(residual, sum);
            LayerNorm.forwardSum(device, out.address(), saved(), inputs, sums, size.shape(), EPSILON);
        }

        void check(int row, double[] x, double[] weight, double[] bias) {
            Tolerance.LayerNormRow tolerance = Tolerance.layerNorm(x, EPSILON);
            Moments expected = ReferenceLayerNorm.moments(x, EPSILON);
            double[] moments = {mean.values()[row], rstd.values()[row]};
            double[] allowed = {tolerance.mean(), tolerance.relativeRstd() * expected.rstd()};
            Expect.near(
                    "mean and rstd of %s, row %d".formatted(size, row),
                    moments,
                    new Expected(new double[] {expected.mean(), expected.rstd()}, allowed));
            size.check("out", out.row(row), ReferenceLayerNorm.forward(size.dtype(), x, weight, bias, EPSILON));
        }
    }

    private interface Check {
        void run(Results results, Tensor x, Tensor weight, Tensor bias);
    }

    /** Runs forward and passes the results to {@code check}. */
    private static void forward(On on, LayerNormSize size, double[] values, Check check) {
        Draw draw = new Draw(size.width());
        try (Tensors tensors = new Tensors(on)) {
            Results results = Results.of(tensors, size);
            Tensor x = size.matrix(tensors, "x", values);
            Tensor weight = size.vector(tensors, "weight", draw.normal(size.meanWidth(), 1));
            Tensor bias = size.vector(tensors, "bias", draw.normal(size.meanWidth(), 1));
            LayerNorm.Inputs inputs = new LayerNorm.Inputs(x.address(), weight.address(), bias.address());
            tensors.run(device -> results.forward(device, inputs, EPSILON));
            check.run(results, x, weight, bias);
        }
    }

    private static void forward(On on, LayerNormSize size, double[] values) {
        forward(on, size, values, (results, x, weight, bias) -> {
            for (int row = 0; row < size.rows(); row++) {
                results.check(row, size.row(x, row), size.row(weight, 0), size.row(bias, 0));
            }
        });
    }

    @OnEachDType
    @Tag("small")
    void forwardOfNarrowRows(On on) {
        for (int[] sizes : LayerNormSize.NARROW) {
            LayerNormSize size = LayerNormSize.of(sizes, on);
            forward(on, size, size.normal(new Draw(size.width()), 2));
        }
    }

    @OnEachDType
    void forwardOfWideRows(On on) {
        for (int[] sizes : LayerNormSize.WIDE) {
            LayerNormSize size = LayerNormSize.of(sizes, on);
            forward(on, size, size.normal(new Draw(size.width()), 2));
        }
    }

    /**
     * With a mean of 1e4, mean(x^2) - mean(x)^2 loses all digits of a variance of 1. The tolerance of y is 1e-5: a mean
     * that is only the rounded sum of x is off by 1e-3.
     */
    @OnEachDType
    @Tag("small")
    void rowsWhoseMeanIsFarAboveTheirDeviations(On on) {
        for (int[] sizes : new int[][] {{3, 768, 768}, {2, 65, 72}, {1, 4500, 4504}}) {
            LayerNormSize size = LayerNormSize.of(sizes, on);
            double[] values = size.normal(new Draw(size.width()), 1);
            forward(on, size, Arrays.stream(values).map(v -> v + 1e4).toArray());
        }
    }

    @OnEachDType
    void forwardOfZerosAndOfNumbersWhoseSquaresAreTinyOrHuge(On on) {
        LayerNormSize size = new LayerNormSize(2, 37, 40, on.dtype());
        forward(on, size, new double[74]);
        forward(on, size, size.normal(new Draw(1), 1e-25));
        forward(on, size, size.normal(new Draw(2), 1e17));
    }

    /**
     * The square of 2e19 is larger than the max of fp32, 3.4e38, so the sum of squares of the second row is infinite. A
     * result of bias (1 / infinity times the row) would hide that.
     */
    @OnEachDType
    @Tag("small")
    void aRowWhoseSquaresOverflowIsNaN(On on) {
        LayerNormSize size = new LayerNormSize(3, 40, 40, on.dtype());
        double[] values = size.normal(new Draw(3), 1);
        Arrays.fill(values, 40, 60, 2e19);
        Arrays.fill(values, 60, 80, -2e19);
        forward(on, size, values, (results, x, weight, bias) -> {
            assertThat(results.moments(1).rstd()).isNaN();
            assertThat(results.out.row(1)).containsOnly(Double.NaN);
            for (int row : new int[] {0, 2}) {
                results.check(row, x.row(row), weight.row(0), bias.row(0));
            }
        });
    }

    /** A row of one element is its own mean: y is the bias, and nothing depends on x. */
    @OnEachDType
    @Tag("small")
    void aRowOfOneElementIsItsBias(On on) {
        LayerNormSize size = new LayerNormSize(4, 1, 1, on.dtype());
        double[] values = {-3, 0, 0.125, 1e4};
        forward(on, size, values, (results, x, weight, bias) -> {
            for (int row = 0; row < size.rows(); row++) {
                Expect.exactly("y", results.out.row(row), bias.values());
                Expect.exactly("mean", new double[] {results.moments(row).mean()}, x.row(row));
            }
        });
    }

    /** Values of 25 digits by mpmath, on inputs in fp32. */
    @OnEachDType
    @Tag("small")
    void golden(On on) {
        if (on.dtype() != DType.F32) {
            return;
        }
        for (JsonNode each : Golden.read("layer_norm.json")) {
            double[] x = Golden.numbers(each.get("x"));
            double[] w = Golden.numbers(each.get("weight"));
            double epsilon = Golden.number(each.get("epsilon"));
            LayerNormSize size = new LayerNormSize(1, x.length, x.length, DType.F32);
            try (Tensors tensors = new Tensors(on)) {
                Results results = Results.of(tensors, size);
                LayerNorm.Inputs inputs = new LayerNorm.Inputs(
                        size.matrix(tensors, "x", x).address(),
                        size.matrix(tensors, "weight", w).address(),
                        size.matrix(tensors, "bias", Golden.numbers(each.get("bias")))
                                .address());
                tensors.run(device -> results.forward(device, inputs, (float) epsilon));
                Tolerance.LayerNormRow row = Tolerance.layerNorm(x, epsilon);
                Moments exact = new Moments(Golden.number(each.get("mean")), Golden.number(each.get("rstd")));
                double[] moments = {
                    results.moments(0).mean(), results.moments(0).rstd()
                };
                String what = each.get("name").asText();
                Expect.near(
                        what,
                        moments,
                        new double[] {exact.mean(), exact.rstd()},
                        i -> i == 0 ? row.mean() : row.relativeRstd() * exact.rstd());
                double[] y = Golden.numbers(each.get("y"));
                Expect.near(what, results.out.values(), y, j -> row.y(x[j], w[j], y[j]) + Float.MIN_NORMAL);
            }
        }
    }

    /** Has the bits of residual followed by layer_norm, wherever the sum is written. */
    @OnEachDType
    @Tag("small")
    void forwardOfSums(On on) {
        for (int[] sizes : new int[][] {{1, 1, 1}, {3, 7, 7}, {2, 60, 64}, {2, 517, 520}, {1, 5003, 5003}, {0, 8, 8}}) {
            forwardSum(on, LayerNormSize.of(sizes, on));
        }
    }

    private static void forwardSum(On on, LayerNormSize size) {
        Draw draw = new Draw(size.width());
        // residual_forward adds padding too, so it is 0 here.
        double[] values = size.pad(size.normal(draw, 2), 0);
        double[] branch = size.pad(size.normal(draw, 0.5), 0);
        int rows = size.rows();
        int width = size.width();
        try (Tensors tensors = new Tensors(on)) {
            Tensor x = tensors.input("x", on.dtype(), rows, width, values);
            Tensor residual = tensors.input("residual", on.dtype(), rows, width, branch);
            Tensor weight = size.vector(tensors, "weight", draw.normal(size.meanWidth(), 1));
            Tensor bias = size.vector(tensors, "bias", draw.normal(size.meanWidth(), 1));
            Tensor inX = tensors.updated("sum in x", on.dtype(), rows, width, values);
            Tensor inResidual = tensors.updated("sum in residual", on.dtype(), rows, width, branch);
            Tensor sumAlone = tensors.output("sum of residual_forward", on.dtype(), rows, width);
            Tensor[] sums = {tensors.output("sum", on.dtype(), rows, width), inX, inResidual};
            Tensor[] xs = {x, inX, x};
            Tensor[] residuals = {residual, residual, inResidual};
            Results alone = Results.of(tensors, size);
            Results[] results = new Results[sums.length];
            Arrays.setAll(results, i -> Results.of(tensors, size));
            tensors.run(device -> {
                for (int i = 0; i < sums.length; i++) {
                    LayerNorm.Inputs inputs = new LayerNorm.Inputs(xs[i].address(), weight.address(), bias.address());
                    results[i].forwardSum(device, inputs, residuals[i].address(), sums[i].address());
                }
                Residual.forward(
                        device, sumAlone.address(), x.address(), residual.address(), (long) rows * width, on.dtype());
                alone.forward(
                        device, new LayerNorm.Inputs(sumAlone.address(), weight.address(), bias.address()), EPSILON);
            });
            for (int i = 0; i < sums.length; i++) {
                Expect.sameBits("sum", sums[i].bits(), sumAlone.bits());
                Expect.sameBits("out of the sum", results[i].out.bits(), alone.out.bits());
                Expect.sameBits("mean of the sum", results[i].mean.bits(), alone.mean.bits());
                Expect.sameBits("rstd of the sum", results[i].rstd.bits(), alone.rstd.bits());
            }
        }
    }

    @OnEachDType
    void aRowDoesNotDependOnOtherRows(On on) {
        for (int[] widths : new int[][] {{97, 104}, {600, 600}}) {
            LayerNormSize size = new LayerNormSize(37, widths[0], widths[1], on.dtype());
            double[] values = size.normal(new Draw(3), 2);
            long[] together = bits(on, size, values);
            for (int row = 0; row < size.rows(); row += 9) {
                LayerNormSize one = new LayerNormSize(1, widths[0], widths[1], on.dtype());
                double[] alone = Arrays.copyOfRange(values, row * widths[0], (row + 1) * widths[0]);
                long[] expected = Arrays.copyOfRange(together, row * widths[1], (row + 1) * widths[1]);
                Expect.sameBits("row " + row + " alone", bits(on, one, alone), expected);
            }
        }
    }

    private static long[] bits(On on, LayerNormSize size, double[] values) {
        long[][] bits = new long[1][];
        forward(on, size, values, (results, x, weight, bias) -> bits[0] = results.out.bits());
        return bits[0];
    }

    @OnEachDType
    @Tag("small")
    void refusesBadArguments(On on) {
        LayerNormSize size = new LayerNormSize(2, 8, 8, on.dtype());
        Draw draw = new Draw(7);
        try (Tensors tensors = new Tensors(on)) {
            Results results = Results.of(tensors, size);
            Tensor x = size.matrix(tensors, "x", size.normal(draw, 1));
            Tensor residual = size.matrix(tensors, "residual", size.normal(draw, 1));
            Tensor sum = tensors.output("sum", on.dtype(), 2, 8);
            Tensor weight = size.vector(tensors, "weight", draw.normal(size.meanWidth(), 1));
            Tensor bias = size.vector(tensors, "bias", draw.normal(size.meanWidth(), 1));
            LayerNorm.Inputs inputs = new LayerNorm.Inputs(x.address(), weight.address(), bias.address());
            String operation = "layer_norm_forward";
            tensors.refused(operation, "sum", device -> results.forwardSum(device, inputs, residual.address(), 0));
            tensors.refused(operation, "sum", device -> results.forwardSum(device, inputs, 0, sum.address()));
            new Refusals(tensors, operation)
                    .address("out", results.out)
                    .address("mean", results.mean)
                    .address("rstd", results.rstd)
                    .address("sum", sum)
                    .address("x", x)
                    .address("residual", residual)
                    .address("weight", weight)
                    .address("bias", bias)
                    .matrix(2, 8, on)
                    .size("mean_width", 8, 0, -1, 9)
                    .number("epsilon", EPSILON, -1e-5f, Float.NaN, Float.POSITIVE_INFINITY)
                    .check((device, a) -> LayerNorm.forwardSum(
                            device,
                            a.get("out"),
                            new LayerNorm.Saved(a.get("mean"), a.get("rstd")),
                            new LayerNorm.Inputs(a.get("x"), a.get("weight"), a.get("bias")),
                            new LayerNorm.Sum(a.get("residual"), a.get("sum")),
                            LayerNormSize.shape(a),
                            a.number("epsilon")));
        }
    }
}
