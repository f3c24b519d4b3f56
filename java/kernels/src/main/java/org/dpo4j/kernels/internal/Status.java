package org.dpo4j.kernels.internal;

import java.nio.charset.StandardCharsets;
import org.dpo4j.kernels.Dpo4jException;

/** Turns {@code dpo4j_status} codes into exceptions with the text of the library. */
public final class Status {
    /** Size of the {@code text} of calls that have no context. */
    public static final int TEXT_BYTES = 512;

    private Status() {}

    /** If the status is not {@code DPO4J_OK}, throws with the text of {@code dpo4j_error_text}. */
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
