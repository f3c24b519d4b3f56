package org.dpo4j.kernels;

/**
 * The only exception type of dpo4j. Its message is one sentence: what is wrong, where (operation and argument, file,
 * row, tensor), and what to do.
 */
public final class Dpo4jException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    public Dpo4jException(String message) {
        super(message);
    }

    public Dpo4jException(String message, Throwable cause) {
        super(message, cause);
    }
}
