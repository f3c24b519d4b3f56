package org.dpo4j.io.hub;

import java.io.IOException;

/** The hub, or the network, did not answer after several attempts. The message says what to do. */
final class UnreachableException extends IOException {
    private static final long serialVersionUID = 1;

    UnreachableException(String message, Throwable cause) {
        super(message, cause);
    }
}
