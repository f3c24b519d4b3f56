package org.dpo4j.conformance;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.stream.IntStream;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.decoder.QuantType;
import org.dpo4j.kernels.decoder.Quantize4bit;
import org.dpo4j.kernels.internal.Native;
import org.dpo4j.kernels.internal.Status;
import org.dpo4j.testkit.Draw;
import org.dpo4j.testkit.ReferenceFourBit;
import org.junit.jupiter.api.Tag;

class Quantize4bitTest {
    private record Quantised(byte[] codes, double[] absmax) {}

    private static Quantised quantised(On on, float[] x, QuantType type, DType dtype) {
        int count = x.length;
        try (Tensors tensors = new Tensors(on)) {
            Tensor codes = tensors.updatedBytes("codes", (int) Quantize4bit.codeBytes(count));
            Tensor absmax = tensors.updated(
                    "absmax",
                    DType.F32,
                    1,
                    (int) Quantize4bit.blocks(count),
                    new double[(int) Quantize4bit.blocks(count)]);
            Tensor in = tensors.vector(
                    "in",
                    dtype,
                    IntStream.range(0, count).mapToDouble(i -> x[i]).toArray());
            tensors.run(device -> Quantize4bit.forward(
                    device,
                    new Quantize4bit.Results(codes.address(), absmax.address()),
                    in.address(),
                    count,
                    type,
                    dtype));
            return new Quantised(bytes(codes), absmax.values());
        }
    }

    private static byte[] bytes(Tensor tensor) {
        double[] values = tensor.values();
        byte[] bytes = new byte[values.length];
        for (int i = 0; i < bytes.length; i++) {
            bytes[i] = (byte) values[i];
        }
        return bytes;
    }

    private static byte[] floatBytes(double[] values) {
        ByteBuffer bytes = ByteBuffer.allocate(Float.BYTES * values.length).order(ByteOrder.LITTLE_ENDIAN);
        for (double value : values) {
            bytes.putFloat((float) value);
        }
        return bytes.array();
    }

    /** The codes and absmax values of bitsandbytes, bit for bit. float16 is read as float32. */
    @OnEachDevice
    @Tag("small")
    void golden(On on) {
        for (FourBitCase golden : FourBitCase.all()) {
            DType dtype = golden.dtype() == DType.BF16 ? DType.BF16 : DType.F32;
            Quantised quantised = quantised(on, golden.elements(), golden.type(), dtype);
            assertThat(golden.hasBytes("absmax", floatBytes(quantised.absmax)))
                    .as("absmax of %s", golden.name())
                    .isTrue();
            assertThat(golden.hasBytes("codes", quantised.codes))
                    .as("codes of %s", golden.name())
                    .isTrue();
        }
    }

    @OnEachDType
    @Tag("small")
    void takesTheNearestNumber(On on) {
        for (int count : new int[] {1, 7, 63, 64, 65, 130, 2049, 5000}) {
            for (QuantType type : QuantType.values()) {
                float[] x = new float[count];
                double[] drawn = new Draw(count).normal(count, 2);
                for (int i = 0; i < count; i++) {
                    x[i] = Math.scalb((float) Math.rint(32 * drawn[i]), -(i / 64 % 9));
                }
                Quantised quantised = quantised(on, x, type, on.dtype());
                assertThat(quantised.codes).as("%s of %d", type, count).isEqualTo(ReferenceFourBit.codes(x, type));
                float[] absmax = ReferenceFourBit.absmax(x);
                Expect.exactly(
                        "absmax",
                        quantised.absmax,
                        IntStream.range(0, absmax.length)
                                .mapToDouble(i -> absmax[i])
                                .toArray());
            }
        }
    }

    /** Others keep theirs. */
    @OnEachDType
    @Tag("small")
    void theAbsmaxOfABlockWithANonFiniteElementIsNan(On on) {
        for (float bad : new float[] {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY}) {
            float[] x = new float[3 * Quantize4bit.BLOCK];
            for (int i = 0; i < x.length; i++) {
                x[i] = 2;
            }
            x[Quantize4bit.BLOCK + 37] = bad;
            assertThat(quantised(on, x, QuantType.NF4, on.dtype()).absmax).containsExactly(2, Double.NaN, 2);
        }
    }

    @OnEachDType
    @Tag("small")
    void refusesBadArguments(On on) {
        try (Tensors tensors = new Tensors(on)) {
            new Refusals(tensors, "quantize_4bit")
                    .address("codes", tensors.updatedBytes("codes", 33))
                    .address("absmax", tensors.updated("absmax", DType.F32, 1, 2, new double[2]))
                    .address("in", tensors.input("in", on.dtype(), 1, 66, new double[66]))
                    .size("count", 66, -1)
                    .size("quant_type", 0, -1, 2)
                    .dtype("dtype", on)
                    .check((device, a) -> Status.check(
                            device.context(),
                            Native.dpo4j_quantize_4bit(
                                    device.context(),
                                    a.struct(
                                            "dpo4j_quantize_4bit_params",
                                            "*codes *absmax *in count #quant_type #dtype"))));
        }
    }
}
