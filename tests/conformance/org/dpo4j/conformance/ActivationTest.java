package org.dpo4j.conformance;

import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.decoder.Activation;
import org.dpo4j.kernels.decoder.Activation.Function;
import org.dpo4j.kernels.decoder.Activation.Kind;
import org.dpo4j.kernels.decoder.MatrixShape;
import org.dpo4j.kernels.internal.Native;
import org.dpo4j.kernels.internal.Status;
import org.dpo4j.testkit.Draw;
import org.dpo4j.testkit.ReferenceActivation;
import org.junit.jupiter.api.Tag;

class ActivationTest {
    private static final List<Function> FUNCTIONS = Stream.of(Kind.values())
            .flatMap(kind -> Stream.of(new Function(kind, true), new Function(kind, false)))
            .toList();

    private static final int[][] NARROW = {{1, 1}, {1, 7}, {3, 8}, {5, 31}, {2, 64}, {0, 8}};
    private static final int[][] WIDE = {{3, 127}, {2, 1023}, {400, 12}, {2, 5000}, {1, 11008}};

    /** Numbers at which s saturates, an exponential overflows, or a product becomes subnormal. */
    private static final double[] EXTREMES = {
        0, -0.0, 1e-30, -9.5, -10.2, -13.1, -13.4, -14.5, 14.5, 16, -16, 16.1, -16.1, 20, -20, 80, -80, 88, -88, -90,
        -100, 1e4, -1e4, 1e38, -1e38
    };

    private static final String FIELDS = " rows width #dtype #kind #gated";

    @OnEachDType
    @Tag("small")
    void forwardOfNarrowRows(On on) {
        for (Function function : FUNCTIONS) {
            for (int[] shape : NARROW) {
                forward(on, function, shape[0], shape[1], normal(function, shape));
            }
        }
    }

    @OnEachDType
    void forwardOfWideRows(On on) {
        for (Function function : FUNCTIONS) {
            for (int[] shape : WIDE) {
                forward(on, function, shape[0], shape[1], normal(function, shape));
            }
        }
    }

    @OnEachDType
    void forwardAtExtremes(On on) {
        for (Function function : FUNCTIONS) {
            forward(on, function, 1, EXTREMES.length, with(function, EXTREMES));
        }
    }

    /** From -15 to 15 in steps of 2^-7. */
    @OnEachDType
    void everyPartOfTheRange(On on) {
        double[] x =
                IntStream.rangeClosed(-1920, 1920).mapToDouble(i -> i / 128.0).toArray();
        for (Function function : FUNCTIONS) {
            forward(on, function, 1, x.length, with(function, x));
            backward(on, function, 1, x.length, with(function, x));
        }
    }

    private static double[] normal(Function function, int[] shape) {
        int width = function.isGated() ? 2 * shape[1] : shape[1];
        return new Draw(shape[1]).normal(shape[0] * width, 3);
    }

    /** These x, and an up of each if gated. */
    private static double[] with(Function function, double[] x) {
        double[] row = new Draw(1).uniform(function.isGated() ? 2 * x.length : x.length, 0.1, 0.5);
        System.arraycopy(x, 0, row, 0, x.length);
        return row;
    }

    private static void forward(On on, Function function, int rows, int width, double[] values) {
        try (Tensors tensors = new Tensors(on)) {
            Tensor out = tensors.output("out", on.dtype(), rows, width);
            Tensor x = tensors.input("x", on.dtype(), rows, inputs(function, width), values);
            MatrixShape shape = new MatrixShape(rows, width, on.dtype());
            tensors.run(device -> Activation.forward(device, function, out.address(), x.address(), shape));
            for (int row = 0; row < rows; row++) {
                Expect.near(
                        "out of %s [%d, %d], row %d".formatted(function, rows, width, row),
                        out.row(row),
                        ReferenceActivation.forward(on.dtype(), function, x.row(row)));
            }
        }
    }

    private static int inputs(Function function, int width) {
        return function.isGated() ? 2 * width : width;
    }

    @OnEachDType
    @Tag("small")
    void backwardOfNarrowRows(On on) {
        for (Function function : FUNCTIONS) {
            for (int[] shape : NARROW) {
                backward(on, function, shape[0], shape[1], normal(function, shape));
            }
        }
    }

    @OnEachDType
    void backwardOfWideRows(On on) {
        for (Function function : FUNCTIONS) {
            for (int[] shape : WIDE) {
                backward(on, function, shape[0], shape[1], normal(function, shape));
            }
        }
    }

    @OnEachDType
    void backwardAtExtremes(On on) {
        for (Function function : FUNCTIONS) {
            backward(on, function, 1, EXTREMES.length, with(function, EXTREMES));
        }
    }

    /** Writes the gradient to another tensor, then in place. */
    private static void backward(On on, Function function, int rows, int width, double[] values) {
        try (Tensors tensors = new Tensors(on)) {
            int inputs = inputs(function, width);
            Tensor dX = tensors.output("d_x", on.dtype(), rows, inputs);
            Tensor inPlace = tensors.updated("x", on.dtype(), rows, inputs, values);
            Tensor dOut = tensors.input("d_out", on.dtype(), rows, width, new Draw(rows).normal(rows * width, 1));
            Tensor x = tensors.input("x", on.dtype(), rows, inputs, values);
            MatrixShape shape = new MatrixShape(rows, width, on.dtype());
            tensors.run(device -> {
                Activation.backward(device, function, dX.address(), dOut.address(), x.address(), shape);
                Activation.backward(device, function, inPlace.address(), dOut.address(), inPlace.address(), shape);
            });
            Expect.sameBits("in place", inPlace.bits(), dX.bits());
            for (int row = 0; row < rows; row++) {
                Expect.near(
                        "d_x of %s [%d, %d], row %d".formatted(function, rows, width, row),
                        dX.row(row),
                        ReferenceActivation.backward(on.dtype(), function, dOut.row(row), x.row(row)));
            }
        }
    }

    @OnEachDType
    @Tag("small")
    void notANumberStaysOne(On on) {
        double[] values = new double[9];
        Arrays.fill(values, Double.NaN);
        for (Kind kind : Kind.values()) {
            try (Tensors tensors = new Tensors(on)) {
                Tensor out = tensors.output("out", on.dtype(), 1, 9);
                Tensor dX = tensors.output("d_x", on.dtype(), 1, 9);
                Tensor dOut = tensors.input("d_out", on.dtype(), 1, 9, new Draw(1).normal(9, 1));
                Tensor x = tensors.input("x", on.dtype(), 1, 9, values);
                Function function = new Function(kind, false);
                MatrixShape shape = new MatrixShape(1, 9, on.dtype());
                tensors.run(device -> {
                    Activation.forward(device, function, out.address(), x.address(), shape);
                    Activation.backward(device, function, dX.address(), dOut.address(), x.address(), shape);
                });
                Expect.near("out of " + kind, out.row(0), values, i -> 0);
                Expect.near("d_x of " + kind, dX.row(0), values, i -> 0);
            }
        }
    }

    @OnEachDType
    @Tag("small")
    void refusesBadArguments(On on) {
        try (Tensors tensors = new Tensors(on)) {
            Tensor out = tensors.output("out", on.dtype(), 2, 8);
            Tensor x = tensors.input("x", on.dtype(), 2, 16, new Draw(2).normal(32, 1));
            new Refusals(tensors, "activation_forward")
                    .address("out", out)
                    .address("x", x)
                    .matrix(2, 8, on)
                    .size("kind", 0, -1, 3)
                    .size("gated", 1, -1, 2)
                    .check((device, a) -> check(
                            device,
                            Native.dpo4j_activation_forward(
                                    device.context(),
                                    a.struct("dpo4j_activation_forward_params", "*out *x" + FIELDS))));
        }
        try (Tensors tensors = new Tensors(on)) {
            Tensor dX = tensors.output("d_x", on.dtype(), 2, 16);
            Tensor dOut = tensors.input("d_out", on.dtype(), 2, 8, new Draw(3).normal(16, 1));
            Tensor x = tensors.input("x", on.dtype(), 2, 16, new Draw(4).normal(32, 1));
            new Refusals(tensors, "activation_backward")
                    .address("d_x", dX)
                    .address("d_out", dOut)
                    .address("x", x)
                    .matrix(2, 8, on)
                    .size("kind", 2, -1, 3)
                    .size("gated", 1, -1, 2)
                    .check((device, a) -> check(
                            device,
                            Native.dpo4j_activation_backward(
                                    device.context(),
                                    a.struct("dpo4j_activation_backward_params", "*d_x *d_out *x" + FIELDS))));
        }
    }

    private static void check(Device device, int status) {
        Status.check(device.context(), status);
    }
}
