package org.dpo4j.report.html;

import java.math.BigDecimal;
import java.math.RoundingMode;
import java.time.Duration;
import java.util.Locale;

/** Numbers as text for people. */
final class Numbers {
    private static final String[] UNITS = {"kB", "MB", "GB", "TB"};

    private Numbers() {}

    /** A number with four significant digits, a whole number in full; a share in percent. */
    static String written(double value, boolean isShare) {
        if (!Double.isFinite(value)) {
            return "not finite";
        }
        if (isShare) {
            return fixed(100 * value, 1) + "%";
        }
        if (value == Math.rint(value) && Math.abs(value) < 1e15) {
            return String.format(Locale.ROOT, "%,d", (long) value);
        }
        double size = Math.abs(value);
        if (size < 1e-3 || size >= 1e6) {
            return String.format(Locale.ROOT, "%.3e", value)
                    .replaceFirst("e([-+])0*(\\d)", "e$1$2")
                    .replace("e+", "e");
        }
        int digits = Math.max(0, 3 - (int) Math.floor(Math.log10(size)));
        return fixed(value, digits);
    }

    /** As the format {@code %.DIGITSf}, which takes many times as long in a young JVM. */
    private static String fixed(double value, int digits) {
        return BigDecimal.valueOf(value).setScale(digits, RoundingMode.HALF_UP).toPlainString();
    }

    /** {@code 2 h 05 min}, {@code 3 min 20 s} or {@code 14 s}. */
    static String written(Duration time) {
        if (time.toHours() > 0) {
            return String.format(Locale.ROOT, "%d h %02d min", time.toHours(), time.toMinutesPart());
        }
        return time.toMinutes() > 0
                ? String.format(Locale.ROOT, "%d min %02d s", time.toMinutes(), time.toSecondsPart())
                : time.toSeconds() + " s";
    }

    /** Bytes in the unit, a power of a thousand, in which the number is below a thousand. */
    static String bytes(long bytes) {
        double value = bytes / 1e3;
        int unit = 0;
        while (value >= 999.95 && unit < UNITS.length - 1) {
            value /= 1e3;
            unit++;
        }
        return String.format(Locale.ROOT, "%.1f %s", value, UNITS[unit]);
    }
}
