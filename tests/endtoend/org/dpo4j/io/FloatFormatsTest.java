package org.dpo4j.io;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.dpo4j.model.RefusalAssertions.assertRefused;

import java.math.BigDecimal;
import java.nio.BufferOverflowException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.function.IntUnaryOperator;
import org.junit.jupiter.api.Test;

/** All 65536 values of both 16-bit formats, against their definition as sign, exponent and fraction. */
class FloatFormatsTest {

    @Test
    void everyFloat16IsRead() {
        for (int bits = 0; bits < 1 << 16; bits++) {
            assertThat(FloatFormats.fromFloat16((short) bits)).isEqualTo(Float.valueOf((float) value(bits, 5, 10)));
        }
    }

    @Test
    void everyBfloat16IsReadAndWritten() {
        for (int bits = 0; bits < 1 << 16; bits++) {
            float value = FloatFormats.fromBfloat16((short) bits);
            assertThat(value).isEqualTo(Float.valueOf((float) value(bits, 8, 7)));
            if (!Float.isNaN(value)) {
                assertThat(FloatFormats.toBfloat16(value)).isEqualTo((short) bits);
            }
        }
        assertThat(FloatFormats.fromBfloat16(FloatFormats.toBfloat16(Float.intBitsToFloat(0x7f800001))))
                .isNaN();
    }

    /** A value between two neighbours rounds to the nearer one, the middle to the one whose last bit is 0. */
    @Test
    void roundsToNearestTiesToEven() {
        for (int bits = 0; bits < 0x7f7f; bits += 7) {
            BigDecimal low = new BigDecimal(value(bits, 8, 7));
            BigDecimal high = new BigDecimal(value(bits + 1, 8, 7));
            float middle = low.add(high).divide(BigDecimal.valueOf(2)).floatValue();
            assertThat(FloatFormats.toBfloat16(middle)).isEqualTo((short) (bits + (bits & 1)));
            assertThat(FloatFormats.toBfloat16(Math.nextDown(middle))).isEqualTo((short) bits);
            assertThat(FloatFormats.toBfloat16(Math.nextUp(middle))).isEqualTo((short) (bits + 1));
        }
    }

    @Test
    void float16IsWrittenAsIeee754Says() {
        for (int bits = 0; bits < 1 << 16; bits++) {
            float value = FloatFormats.fromFloat16((short) bits);
            short again = FloatFormats.toFloat16(value);
            if (Float.isNaN(value)) {
                assertThat(FloatFormats.fromFloat16(again)).isNaN();
            } else {
                assertThat(again).isEqualTo((short) bits);
            }
        }
        for (int bits = 0; bits < 0x7bff; bits++) {
            float middle = (float) ((value(bits, 5, 10) + value(bits + 1, 5, 10)) / 2); // exact: 12 bits
            assertThat(FloatFormats.toFloat16(middle)).isEqualTo((short) (bits + (bits & 1)));
            assertThat(FloatFormats.toFloat16(-Math.nextDown(middle))).isEqualTo((short) (bits | 0x8000));
            assertThat(FloatFormats.toFloat16(Math.nextUp(middle))).isEqualTo((short) (bits + 1));
        }
        assertThat(FloatFormats.toFloat16(Math.nextDown(65520f))).isEqualTo((short) 0x7bff);
        assertRefused(() -> FloatFormats.toFloat16(-65520f), "-65520.0 is beyond 65504");
    }

    /** Buffers are converted by loops of their own; the tests above are of single numbers. */
    @Test
    void buffersHaveTheSameNumbers() {
        ByteBuffer floats = buffer(3 * 4 << 16);
        ByteBuffer halves = buffer(2 << 16);
        for (int bits = 0; bits < 1 << 16; bits++) {
            halves.putShort((short) bits);
            for (int low : new int[] {0, 0x8000, 0x8001}) {
                int wide = bits << 16 | low;
                boolean isBeyondFloat16 = Math.abs(Float.intBitsToFloat(wide)) >= 65520;
                floats.putInt(isBeyondFloat16 ? bits : wide);
            }
        }
        check(halves, "F16", "F32", bits -> Float.floatToRawIntBits(FloatFormats.fromFloat16((short) bits)));
        check(halves, "BF16", "F32", bits -> Float.floatToRawIntBits(FloatFormats.fromBfloat16((short) bits)));
        check(halves, "F16", "BF16", bits -> FloatFormats.toBfloat16(FloatFormats.fromFloat16((short) bits)));
        check(floats, "F32", "F16", bits -> FloatFormats.toFloat16(Float.intBitsToFloat(bits)));
        check(floats, "F32", "BF16", bits -> FloatFormats.toBfloat16(Float.intBitsToFloat(bits)));
        ByteBuffer small = buffer(2 * 0x3f80);
        for (int bits = 0; bits < 0x3f80; bits++) {
            small.putShort((short) bits);
        }
        check(small, "BF16", "F16", bits -> FloatFormats.toFloat16(FloatFormats.fromBfloat16((short) bits)));
    }

    private static void check(ByteBuffer source, String from, String to, IntUnaryOperator expected) {
        int count = source.capacity() / FloatFormats.bytes(from);
        ByteBuffer destination = buffer(6 + count * FloatFormats.bytes(to)).position(6);
        FloatFormats.convert(source.rewind(), from, destination, to);
        assertThat(source.hasRemaining()).isFalse();
        assertThat(destination.hasRemaining()).isFalse();
        for (int i = 0; i < count; i++) {
            int bits = from.equals("F32") ? source.getInt(4 * i) : source.getShort(2 * i);
            int actual = to.equals("F32") ? destination.getInt(6 + 4 * i) : destination.getShort(6 + 2 * i);
            assertThat(actual).as("%s %x to %s", from, bits, to).isEqualTo(expected.applyAsInt(bits));
        }
        assertThatThrownBy(() -> FloatFormats.convert(source.rewind(), from, destination.position(8), to))
                .isInstanceOf(BufferOverflowException.class);
    }

    private static ByteBuffer buffer(int bytes) {
        return ByteBuffer.allocateDirect(bytes).order(ByteOrder.LITTLE_ENDIAN);
    }

    private static double value(int bits, int exponentBits, int fractionBits) {
        int sign = bits >>> 15;
        int exponent = bits >>> fractionBits & (1 << exponentBits) - 1;
        double fraction = Math.scalb((double) (bits & (1 << fractionBits) - 1), -fractionBits);
        int bias = (1 << (exponentBits - 1)) - 1;
        double size;
        if (exponent == (1 << exponentBits) - 1) {
            size = fraction == 0 ? Double.POSITIVE_INFINITY : Double.NaN;
        } else if (exponent == 0) {
            size = Math.scalb(fraction, 1 - bias);
        } else {
            size = Math.scalb(1 + fraction, exponent - bias);
        }
        return sign == 0 ? size : -size;
    }
}
