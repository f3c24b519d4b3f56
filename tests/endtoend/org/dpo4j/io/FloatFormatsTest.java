package org.dpo4j.io;

import static org.assertj.core.api.Assertions.assertThat;
import static org.dpo4j.model.RefusalAssertions.assertRefused;

import java.math.BigDecimal;
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
