package org.dpo4j.kernels.internal;

import java.nio.charset.StandardCharsets;
import org.dpo4j.kernels.Dpo4jException;

/** {@code dpo4j_status} codes turned into exceptions that carry the library's words. */
public final class Status {
    /** Bytes offered to calls that write a reason where there is no context to hold it. */
    public static final int TEXT_BYTES = 512;

    private Status() {}

    /** Throws what {@code dpo4j_error_text} says unless the status is {@code DPO4J_OK}. */
    public static void check(long context, int status) {
        if (status != 0) {
            throw new Dpo4jException(Native.dpo4j_error_text(context));
        }
    }

    /** The C string at the start of {@code text}. */
    public static String text(byte[] text) {
        int length = 0;
        while (length < text.length && text[length] != 0) {
            length++;
        }
        return new String(text, 0, length, StandardCharsets.UTF_8);
    }
}
