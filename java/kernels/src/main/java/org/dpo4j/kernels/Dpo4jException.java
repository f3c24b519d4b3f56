package org.dpo4j.kernels;

/**
 * What went wrong, where (operation and argument, file, row, tensor), and what to do: one sentence a user can act on.
 * The only exception type.
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
