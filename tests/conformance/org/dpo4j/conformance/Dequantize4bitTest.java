package org.dpo4j.conformance;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Random;
import java.util.stream.IntStream;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.decoder.Dequantize4bit;
import org.dpo4j.kernels.decoder.QuantType;
import org.dpo4j.kernels.decoder.Quantize4bit;
import org.dpo4j.kernels.internal.Native;
import org.dpo4j.kernels.internal.Status;
import org.dpo4j.testkit.Binary16;
import org.dpo4j.testkit.Draw;
import org.dpo4j.testkit.ReferenceFourBit;
import org.dpo4j.testkit.ReferenceFourBit.Nested;
import org.dpo4j.testkit.Storage;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Tag;

class Dequantize4bitTest {
    /** A quantised matrix, with {@code nested} or with {@code absmax}. */
    private record Quantised(
            byte[] codes, float[] absmax, @Nullable Nested nested, int width, QuantType type, DType valueDtype) {}

    /**
     * Which rows the result has, and where its columns are.
     *
     * @param inRows null: the rows of the quantised matrix
     */
    private record Rows(int count, int @Nullable [] inRows, int group, int stride) {}

    private static double[] values(On on, Quantised in, Rows rows) {
        try (Tensors tensors = new Tensors(on)) {
            int outWidth = in.width / rows.group * rows.stride;
            Tensor out = tensors.output("out", on.dtype(), rows.count, outWidth);
            Tensor codes = tensors.inputBytes("codes", in.codes);
            long inRows = rows.inRows == null
                    ? 0
                    : tensors.input("in_rows", rows.inRows).address();
            Dequantize4bit.Absmax absmax = in.nested == null
                    ? new Dequantize4bit.Absmax(floats(tensors, "absmax", in.absmax))
                    : nested(tensors, in.nested);
            tensors.run(device -> Dequantize4bit.forward(
                    device,
                    new Dequantize4bit.Matrix(out.address(), rows.count, inRows, rows.group, rows.stride, on.dtype()),
                    new Dequantize4bit.Codes(codes.address(), absmax, in.width, in.type, in.valueDtype)));
            return out.values();
        }
    }

    private static Dequantize4bit.Absmax nested(Tensors tensors, Nested nested) {
        byte[] codes = new byte[nested.codes().length];
        for (int i = 0; i < codes.length; i++) {
            codes[i] = (byte) nested.codes()[i];
        }
        return new Dequantize4bit.Absmax(
                tensors.inputBytes("nested", codes).address(),
                floats(tensors, "nested_map", nested.map()),
                floats(tensors, "nested_absmax", nested.factors()),
                nested.offset());
    }

    private static long floats(Tensors tensors, String name, float[] values) {
        return tensors.vector(
                        name,
                        DType.F32,
                        IntStream.range(0, values.length)
                                .mapToDouble(i -> values[i])
                                .toArray())
                .address();
    }

    private static Quantised random(int rows, int width, boolean isNested, QuantType type, DType valueDtype) {
        int count = rows * width;
        byte[] codes = new byte[(int) Quantize4bit.codeBytes(count)];
        new Random(count).nextBytes(codes);
        Draw draw = new Draw(width);
        int blocks = (int) Quantize4bit.blocks(count);
        Nested nested = new Nested(
                draw.indices(blocks, Dequantize4bit.NESTED_CODES),
                floats(draw.uniform(Dequantize4bit.NESTED_CODES, -1, 1)),
                floats(draw.uniform((blocks + 255) / 256, 0, 1)),
                0.75f);
        return new Quantised(codes, nested.absmax(), isNested ? nested : null, width, type, valueDtype);
    }

    private static float[] floats(double[] values) {
        float[] floats = new float[values.length];
        for (int i = 0; i < floats.length; i++) {
            floats[i] = (float) values[i];
        }
        return floats;
    }

    private static void check(On on, Quantised in, Rows rows) {
        int outWidth = in.width / rows.group * rows.stride;
        double[] expected = new double[rows.count * outWidth];
        for (int row = 0; row < rows.count; row++) {
            int inRow = rows.inRows == null ? row : rows.inRows[row];
            for (int column = 0; inRow >= 0 && column < in.width; column++) {
                int at = row * outWidth + column / rows.group * rows.stride + column % rows.group;
                expected[at] = ReferenceFourBit.value(
                        in.codes, inRow * in.width + column, in.absmax, in.type, in.valueDtype, on.dtype());
            }
        }
        Expect.exactly(in.width + " columns, " + in.type, values(on, in, rows), expected);
    }

    /** Widths that are multiples of 8, with blocks that begin and end within rows. */
    @OnEachDType
    @Tag("small")
    void decodesMatricesWithoutPadding(On on) {
        for (int width : new int[] {8, 24, 64, 136, 1032}) {
            for (QuantType type : QuantType.values()) {
                check(on, random(5, width, false, type, DType.F32), new Rows(5, null, width, width));
                check(on, random(5, width, true, type, on.dtype()), new Rows(5, null, width, width));
            }
        }
    }

    /** Values are rounded to the type of the tensor that was quantised, and then to that of the result. */
    @OnEachDType
    @Tag("small")
    void roundsToTheTypeOfTheTensor(On on) {
        for (DType dtype : DType.values()) {
            check(on, random(3, 64, true, QuantType.NF4, dtype), new Rows(3, null, 64, 64));
            check(on, random(3, 5, true, QuantType.NF4, dtype), new Rows(3, null, 5, 8));
        }
    }

    /** More than 256 blocks, so several factors. */
    @OnEachDType
    @Tag("small")
    void readsTheFactorOfEach256Blocks(On on) {
        check(on, random(20, 1024, true, QuantType.NF4, DType.F32), new Rows(20, null, 1024, 1024));
    }

    @OnEachDType
    @Tag("small")
    void addsPaddingBetweenGroupsOfColumns(On on) {
        for (int[] sizes : new int[][] {{1, 8}, {5, 8}, {17, 24}, {30, 32}}) {
            check(on, random(4, 3 * sizes[0], true, QuantType.NF4, DType.F32), new Rows(4, null, sizes[0], sizes[1]));
        }
    }

    /** As the rows of q, k and v in a file of GPT-NeoX, and as heads with padding. */
    @OnEachDType
    @Tag("small")
    void takesRowsInAnyOrderAndWritesRowsOfZeros(On on) {
        for (int width : new int[] {7, 40}) {
            int stride = (width + 7) / 8 * 8;
            check(
                    on,
                    random(6, width, true, QuantType.NF4, DType.F32),
                    new Rows(9, new int[] {4, 0, -1, 5, 1, -1, 2, 3, -1}, width, stride));
        }
    }

    @OnEachDType
    @Tag("small")
    void noRowsAreNoWork(On on) {
        try (Tensors tensors = new Tensors(on)) {
            tensors.runEmpty(device -> Dequantize4bit.forward(
                    device,
                    new Dequantize4bit.Matrix(0, 0, 0, 8, 8, on.dtype()),
                    new Dequantize4bit.Codes(0, new Dequantize4bit.Absmax(16), 8, QuantType.NF4, DType.F32)));
        }
    }

    /** The values of bitsandbytes, bit for bit. */
    @OnEachDType
    @Tag("small")
    void golden(On on) {
        for (FourBitCase golden : FourBitCase.all()) {
            Quantised in = new Quantised(
                    ReferenceFourBit.codes(golden.elements(), golden.type()),
                    ReferenceFourBit.absmax(golden.elements()),
                    golden.isNested() ? golden.nested() : null,
                    golden.width(),
                    golden.type(),
                    on.dtype());
            assertThat(golden.hasBytes("codes", in.codes)).isTrue();
            int stride = (golden.width() + 7) / 8 * 8;
            double[] padded = values(on, in, new Rows(golden.rows(), null, golden.width(), stride));
            ByteBuffer stored =
                    ByteBuffer.allocate(golden.count() * on.dtype().bytes()).order(ByteOrder.LITTLE_ENDIAN);
            for (int i = 0; i < golden.count(); i++) {
                double value = 0.0 + padded[i / golden.width() * stride + i % golden.width()];
                Storage.of(on.dtype()).write(stored, i * on.dtype().bytes(), value);
            }
            String array = on.dtype() == DType.F32 ? "float32" : "bfloat16";
            assertThat(golden.hasBytes(array, stored.array())).as(golden.name()).isTrue();
        }
    }

    /** float16 of bitsandbytes, in fp32. */
    @OnEachDevice
    @Tag("small")
    void goldenOfFloat16(On on) {
        for (FourBitCase golden : FourBitCase.all()) {
            Quantised in = new Quantised(
                    ReferenceFourBit.codes(golden.elements(), golden.type()),
                    ReferenceFourBit.absmax(golden.elements()),
                    golden.isNested() ? golden.nested() : null,
                    golden.width(),
                    golden.type(),
                    DType.F16);
            int stride = (golden.width() + 7) / 8 * 8;
            double[] padded = values(on, in, new Rows(golden.rows(), null, golden.width(), stride));
            ByteBuffer stored = ByteBuffer.allocate(golden.count() * 2).order(ByteOrder.LITTLE_ENDIAN);
            for (int i = 0; i < golden.count(); i++) {
                stored.putShort(
                        Binary16.bits((float) (0.0 + padded[i / golden.width() * stride + i % golden.width()])));
            }
            assertThat(golden.hasBytes("float16", stored.array()))
                    .as(golden.name())
                    .isTrue();
        }
    }

    @OnEachDType
    @Tag("small")
    void refusesBadArguments(On on) {
        try (Tensors tensors = new Tensors(on)) {
            Tensor nested = tensors.inputBytes("nested", new byte[1]);
            new Refusals(tensors, "dequantize_4bit")
                    .address("out", tensors.output("out", on.dtype(), 2, 16))
                    .address("codes", tensors.inputBytes("codes", new byte[16]))
                    .size("absmax", 0, nested.address())
                    .size("nested", nested.address(), 0, nested.address() + 4)
                    .address("nested_map", tensors.vector("nested_map", DType.F32, new double[256]))
                    .address("nested_absmax", tensors.vector("nested_absmax", DType.F32, 1))
                    .indicesOrNull("in_rows", tensors.input("in_rows", 1, 0))
                    .size("rows", 2, -1)
                    .size("width", 16, 0, -1)
                    .size("group", 8, 0, -1, 3)
                    .size("group_stride", 8, 0, 7, 9)
                    .number("nested_offset", 1, Float.NaN, Float.POSITIVE_INFINITY)
                    .size("quant_type", 0, -1, 2)
                    .size("value_dtype", 0, -1, 3)
                    .dtype("dtype", on)
                    .check((device, a) -> Status.check(
                            device.context(),
                            Native.dpo4j_dequantize_4bit(
                                    device.context(),
                                    a.struct(
                                            "dpo4j_dequantize_4bit_params",
                                            "*out *codes *absmax *nested *nested_map *nested_absmax *in_rows rows width"
                                                    + " group group_stride %nested_offset #quant_type #value_dtype"
                                                    + " #dtype"))));
        }
    }
}
