package org.dpo4j.conformance;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.Locale;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.decoder.Rope;
import org.dpo4j.testkit.Draw;
import org.dpo4j.testkit.Expected;
import org.dpo4j.testkit.ReferenceRope;
import org.dpo4j.testkit.Tolerance;
import org.junit.jupiter.api.Tag;

class RopeTest {
    private static final int POSITIONS = 40;

    /**
     * Rows of the angle tables in memory: one more than the calls are told of. If a kernel read it for a bad position,
     * the result would not be the expected NaN.
     */
    private static final int STORED = POSITIONS + 1;

    /** Rows, heads, head width, rotary width, and elements between rows beyond heads * width. */
    private static final int[][] SHAPES = {
        {1, 1, 2, 2, 2},
        {3, 1, 8, 8, 0},
        {5, 3, 10, 10, 2},
        {2, 4, 64, 64, 0},
        {4, 2, 8, 8, 16},
        {7, 2, 128, 128, 8},
        // More heads, and more columns, than the threads of a block have at once.
        {2, 70, 128, 128, 0},
        {2, 3, 600, 600, 8},
        {0, 2, 8, 8, 0}
    };

    /** The same with heads that are rotated in part. */
    private static final int[][] PARTIAL_SHAPES = {
        {3, 2, 8, 6, 0}, {5, 3, 10, 4, 2}, {2, 2, 7, 2, 1}, {4, 3, 24, 16, 0}, {4, 3, 20, 16, 8}, {7, 2, 128, 96, 8}
    };

    private record Shape(int rows, int heads, int headWidth, int rotaryWidth, int stride) {
        /** Rows are aligned to 16 bytes. */
        static Shape of(int[] numbers, DType dtype) {
            int width = numbers[1] * numbers[2] + numbers[4];
            int unit = 16 / dtype.bytes();
            return new Shape(numbers[0], numbers[1], numbers[2], numbers[3], (width + unit - 1) / unit * unit);
        }

        int width() {
            return heads * headWidth;
        }
    }

    /** Either direction of the operation. */
    private enum Direction {
        FORWARD,
        BACKWARD;

        void run(Device device, Tensor x, Tensor positions, Tensor cosine, Tensor sine, Shape shape, DType dtype) {
            run(
                    device,
                    x.address(),
                    new Rope.Positions(positions.address(), shape.rows),
                    new Rope.Table(cosine.address(), sine.address(), POSITIONS),
                    new Rope.Shape(shape.heads, shape.headWidth, shape.rotaryWidth, shape.stride, dtype));
        }

        void run(Device device, long x, Rope.Positions positions, Rope.Table table, Rope.Shape shape) {
            if (this == FORWARD) {
                Rope.forward(device, x, positions, table, shape);
            } else {
                Rope.backward(device, x, positions, table, shape);
            }
        }
    }

    @OnEachDType
    @Tag("small")
    void forward(On on) {
        for (int[] shape : SHAPES) {
            rotate(on, Shape.of(shape, on.dtype()), Direction.FORWARD);
        }
    }

    @OnEachDType
    @Tag("small")
    void backward(On on) {
        for (int[] shape : SHAPES) {
            rotate(on, Shape.of(shape, on.dtype()), Direction.BACKWARD);
        }
    }

    @OnEachDType
    @Tag("small")
    void aPartOfEachHead(On on) {
        for (int[] shape : PARTIAL_SHAPES) {
            rotate(on, Shape.of(shape, on.dtype()), Direction.FORWARD);
            rotate(on, Shape.of(shape, on.dtype()), Direction.BACKWARD);
        }
    }

    private static void rotate(On on, Shape shape, Direction direction) {
        Draw draw = new Draw(shape.hashCode());
        int[] rowPositions = draw.indices(shape.rows, POSITIONS);
        if (shape.rows > 2) {
            rowPositions[0] = POSITIONS - 1;
            rowPositions[1] = POSITIONS;
            rowPositions[2] = -1;
        }
        try (Tensors tensors = new Tensors(on)) {
            double[] values = draw.normal(shape.rows * shape.width(), 2);
            Tensor x = tensors.updated("x", on.dtype(), shape.rows, shape.width(), shape.stride, values);
            double[] before = x.values();
            Tensor positions = tensors.input("positions", rowPositions);
            int half = shape.rotaryWidth / 2;
            Tensor cosine = tensors.input(
                    "cosine", DType.F32, STORED, half, ReferenceRope.table(STORED, shape.rotaryWidth, 1e4, false));
            Tensor sine = tensors.input(
                    "sine", DType.F32, STORED, half, ReferenceRope.table(STORED, shape.rotaryWidth, 1e4, true));
            tensors.run(device -> direction.run(device, x, positions, cosine, sine, shape, on.dtype()));
            for (int row = 0; row < shape.rows; row++) {
                int position = rowPositions[row];
                for (int h = 0; h < shape.heads; h++) {
                    int first = row * shape.width() + h * shape.headWidth;
                    double[] head = Arrays.copyOfRange(before, first, first + shape.headWidth);
                    double[] actual = Arrays.copyOfRange(x.row(row), h * shape.headWidth, (h + 1) * shape.headWidth);
                    String what = "%s, position %d, head %d".formatted(shape, position, h);
                    if (position >= 0 && position < POSITIONS) {
                        boolean backward = direction == Direction.BACKWARD;
                        Expected turned = ReferenceRope.expected(
                                on.dtype(), head, cosine.row(position), sine.row(position), backward);
                        Expect.near(what, actual, turned);
                    } else {
                        assertThat(actual).as(what).containsOnly(Double.NaN);
                    }
                }
            }
        }
    }

    @OnEachDevice
    void backwardUndoesForward(On on) {
        Shape shape = new Shape(30, 4, 16, 16, 64);
        Draw draw = new Draw(1);
        try (Tensors tensors = new Tensors(on)) {
            double[] values = draw.normal(shape.rows * shape.width(), 1);
            Tensor x = tensors.updated("x", DType.F32, shape.rows, shape.width(), shape.stride, values);
            double[] before = x.values();
            Tensor positions = tensors.input("positions", draw.indices(shape.rows, POSITIONS));
            Tensor cosine = tensors.input("cosine", DType.F32, STORED, 8, ReferenceRope.table(STORED, 16, 1e4, false));
            Tensor sine = tensors.input("sine", DType.F32, STORED, 8, ReferenceRope.table(STORED, 16, 1e4, true));
            tensors.run(device -> {
                Direction.FORWARD.run(device, x, positions, cosine, sine, shape, DType.F32);
                Direction.BACKWARD.run(device, x, positions, cosine, sine, shape, DType.F32);
            });
            // Errors of two rotations, and of cos^2 + sin^2 of the stored table, which is 1 within two roundings. Every
            // term is below |pair|.
            Expect.near("x turned and turned back", x.values(), before, i -> {
                int j = i % 16 < 8 ? i + 8 : i - 8;
                return 8 * Tolerance.U * (Math.abs(before[i]) + Math.abs(before[j]));
            });
        }
    }

    @OnEachDType
    @Tag("small")
    void refusesBadArguments(On on) {
        for (Direction direction : Direction.values()) {
            try (Tensors tensors = new Tensors(on)) {
                Tensor x = tensors.updated("x", on.dtype(), 2, 16, new Draw(2).normal(32, 1));
                Tensor positions = tensors.input("positions", 0, 1);
                Tensor cosine = tensors.input("cosine", DType.F32, 2, 4, new Draw(3).normal(8, 1));
                Tensor sine = tensors.input("sine", DType.F32, 2, 4, new Draw(4).normal(8, 1));
                new Refusals(tensors, "rope_" + direction.name().toLowerCase(Locale.ROOT))
                        .address("x", x)
                        .indices("positions", positions)
                        .address("cosine", cosine)
                        .address("sine", sine)
                        .size("rows", 2, -1)
                        .size("heads", 2, 0, -1)
                        .size("head_width", 8, 0, -8)
                        .size("rotary_width", 8, 0, -8, 7, 10)
                        .size("row_stride", 16, 12, 17)
                        .size("positions_end", 2, 0, -1)
                        .dtype("dtype", on)
                        .check((device, a) -> direction.run(
                                device,
                                a.get("x"),
                                new Rope.Positions(a.get("positions"), a.get("rows")),
                                new Rope.Table(a.get("cosine"), a.get("sine"), a.get("positions_end")),
                                new Rope.Shape(
                                        a.get("heads"),
                                        a.get("head_width"),
                                        a.get("rotary_width"),
                                        a.get("row_stride"),
                                        a.dtype("dtype"))));
            }
        }
    }
}
