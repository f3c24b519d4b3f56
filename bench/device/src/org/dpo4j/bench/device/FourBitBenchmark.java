package org.dpo4j.bench.device;

import java.nio.ByteBuffer;
import java.util.Arrays;
import org.dpo4j.bench.device.Benchmark.Prepared;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.decoder.Dequantize4bit;
import org.dpo4j.kernels.decoder.MatrixShape;
import org.dpo4j.kernels.decoder.QuantType;
import org.dpo4j.kernels.decoder.Quantize4bit;
import org.dpo4j.testkit.Expected;
import org.dpo4j.testkit.ReferenceFourBit;

/** quantize_4bit and dequantize_4bit, in NF4. */
final class FourBitBenchmark {
    private static final float OFFSET = 0.5f;

    private FourBitBenchmark() {}

    /** Bytes of codes and absmax values of a quantised element, with absmax values of 8 bits. */
    static double codeBytes() {
        return 0.5 + (1 + 4.0 / Quantize4bit.NESTED_BLOCK) / Quantize4bit.BLOCK;
    }

    /** Bytes in an operand of words, read as they are: as numbers, NaNs could change. */
    private record Bytes(Operand words, Device device) {
        /** Those of normal numbers. */
        static Bytes random(Fixture fixture, long count) {
            return new Bytes(fixture.normal(DType.F32, 1, count / Integer.BYTES + 1), fixture.device());
        }

        byte[] read(long begin, int count) {
            byte[] bytes = new byte[count];
            ByteBuffer read = ByteBuffer.allocateDirect(count);
            device.download(read, words.base() + begin);
            read.clear().get(bytes);
            return bytes;
        }
    }

    /** A quantised matrix of random codes. */
    private record Random(Bytes codes, Bytes nested, Operand map, Operand factors) {
        static Random place(Fixture fixture, long count) {
            long blocks = Quantize4bit.blocks(count);
            return new Random(
                    Bytes.random(fixture, Quantize4bit.codeBytes(count)),
                    Bytes.random(fixture, blocks),
                    fixture.normal(DType.F32, 1, Dequantize4bit.NESTED_CODES),
                    fixture.normal(DType.F32, 1, blocks / Quantize4bit.NESTED_BLOCK + 1));
        }

        Dequantize4bit.Absmax absmax(int turn) {
            return new Dequantize4bit.Absmax(nested.words.at(turn), map.at(turn), factors.at(turn), OFFSET);
        }

        float absmaxOf(long block) {
            float factor = (float) factors.read(block / Quantize4bit.NESTED_BLOCK);
            return (float) map.read(nested.read(block, 1)[0] & 0xFF) * factor + OFFSET;
        }

        /** Elements from {@code begin} on, an even number. */
        double[] values(long begin, int count, DType dtype) {
            byte[] pairs = codes.read(begin / 2, (int) Quantize4bit.codeBytes(count));
            float[] absmax = new float[1];
            double[] values = new double[count];
            for (int i = 0; i < count; i++) {
                if (i == 0 || (begin + i) % Quantize4bit.BLOCK == 0) {
                    absmax[0] = absmaxOf((begin + i) / Quantize4bit.BLOCK);
                }
                byte[] pair = {pairs[i / 2]};
                values[i] = ReferenceFourBit.value(pair, i % 2, absmax, QuantType.NF4, dtype, dtype);
            }
            return values;
        }
    }

    static Prepared dequantize(Fixture fixture) {
        MatrixShape shape = fixture.matrix();
        int width = fixture.count("width");
        Operand out = fixture.zeros(shape.rows() * width);
        Random in = Random.place(fixture, shape.rows() * width);
        return new Prepared(
                turn -> Dequantize4bit.forward(
                        fixture.device(),
                        new Dequantize4bit.Matrix(out.at(turn), shape.rows(), 0, width, width, fixture.dtype()),
                        new Dequantize4bit.Codes(
                                in.codes.words.at(turn), in.absmax(turn), width, QuantType.NF4, fixture.dtype())),
                gate -> gate.rows(
                        "out",
                        out,
                        fixture.sample(shape.rows()),
                        row -> Expected.exact(in.values((long) row * width, width, fixture.dtype()))));
    }

    static Prepared quantize(Fixture fixture) {
        int count = fixture.count("count");
        Operand codes = fixture.zeros(DType.F32, Quantize4bit.codeBytes(count) / Integer.BYTES + 1);
        Operand absmax = fixture.zeros(DType.F32, Quantize4bit.blocks(count));
        Operand in = fixture.normal(0.02, count);
        return new Prepared(
                turn -> Quantize4bit.forward(
                        fixture.device(),
                        new Quantize4bit.Results(codes.at(turn), absmax.at(turn)),
                        in.at(turn),
                        count,
                        QuantType.NF4,
                        fixture.dtype()),
                gate -> {
                    for (int block : fixture.sample(Quantize4bit.blocks(count))) {
                        int begin = block * Quantize4bit.BLOCK;
                        float[] x = floats(in.read(begin, Math.min(Quantize4bit.BLOCK, count - begin)));
                        gate.value("absmax", ReferenceFourBit.absmax(x)[0], absmax.read(block), 0);
                        byte[] expected = ReferenceFourBit.codes(x, QuantType.NF4);
                        byte[] actual = new Bytes(codes, fixture.device()).read(begin / 2, expected.length);
                        gate.value("codes", Arrays.hashCode(expected), Arrays.hashCode(actual), 0);
                    }
                });
    }

    private static float[] floats(double[] values) {
        float[] floats = new float[values.length];
        for (int i = 0; i < floats.length; i++) {
            floats[i] = (float) values[i];
        }
        return floats;
    }
}
