package org.dpo4j.io;

import java.util.Locale;

/** Numbers of bytes in texts. */
public final class ByteSize {
    private static final String[] UNITS = {"GB", "MB"};

    private ByteSize() {}

    /** Bytes as GB, MB or kB, which are powers of ten. */
    public static String text(long bytes) {
        double unit = 1e9;
        for (String name : UNITS) {
            if (bytes >= unit) {
                return String.format(Locale.ROOT, "%.1f %s", bytes / unit, name);
            }
            unit /= 1000;
        }
        return String.format(Locale.ROOT, "%.1f kB", bytes / unit);
    }
}
