package org.dpo4j.conformance;

import static org.assertj.core.api.Assertions.assertThat;

import java.math.BigDecimal;
import org.dpo4j.testkit.Binary16;
import org.junit.jupiter.api.Test;

/** Compares all 65,536 values of {@link Binary16} with the definition of the format: sign, exponent, fraction. */
class Binary16Test {
    private static final int LARGEST = 0x7BFF;

    private static double defined(int bits) {
        double fraction = (bits & 0x3FF) / 1024.0;
        int exponent = bits >>> 10 & 0x1F;
        double size = switch (exponent) {
            case 0 -> fraction * Math.pow(2, -14);
            case 31 -> fraction == 0 ? Double.POSITIVE_INFINITY : Double.NaN;
            default -> (1 + fraction) * Math.pow(2, exponent - 15);
        };
        return bits >>> 15 == 0 ? size : -size;
    }

    @Test
    void everyValueIsConvertedThereAndBack() {
        for (int bits = 0; bits < 1 << 16; bits++) {
            float value = Binary16.value((short) bits);
            assertThat(value).as("%04x", bits).isEqualTo(Float.valueOf((float) defined(bits)));
            if (!Float.isNaN(value)) {
                assertThat(Binary16.bits(value)).as("%04x", bits).isEqualTo((short) bits);
            }
        }
        assertThat(Binary16.value(Binary16.bits(Float.NaN))).isNaN();
    }

    /**
     * Between two neighbours, the nearer one is the result; at the midpoint, the one whose last bit is 0. For both
     * signs.
     */
    @Test
    void roundsToNearestTiesToEven() {
        for (int low = 0; low < LARGEST; low++) {
            float middle = middle(low);
            expect(middle, low + (low & 1));
            expect(Math.nextDown(middle), low);
            expect(Math.nextUp(middle), low + 1);
        }
    }

    /** Numbers from half a unit above the max are infinite. */
    @Test
    void whatIsTooLargeIsInfinite() {
        expect(Math.nextDown(65520f), LARGEST);
        expect(65520, 0x7C00);
        expect(Float.MAX_VALUE, 0x7C00);
        expect(Float.POSITIVE_INFINITY, 0x7C00);
    }

    @Test
    void whatIsTooSmallIsZeroOfItsSign() {
        expect(0x1p-25f, 0);
        expect(Math.nextUp(0x1p-25f), 1);
        expect(Float.MIN_VALUE, 0);
    }

    private static float middle(int low) {
        return new BigDecimal(defined(low))
                .add(new BigDecimal(defined(low + 1)))
                .divide(BigDecimal.valueOf(2))
                .floatValue();
    }

    private static void expect(float value, int bits) {
        assertThat(Binary16.bits(value)).as("%a", value).isEqualTo((short) bits);
        assertThat(Binary16.bits(-value)).as("%a", -value).isEqualTo((short) (bits | 0x8000));
    }
}
