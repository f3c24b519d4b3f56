package org.dpo4j.cli;

import org.jspecify.annotations.Nullable;
import sun.misc.Signal;
import sun.misc.SignalHandler;

/** Ctrl-C (SIGINT) in a chat: ends the answer that is generated, or the program between answers. */
final class AnswerSignal implements AutoCloseable {
    private static final Signal INTERRUPT = new Signal("INT");
    private static final int EXIT_CODE = 130;

    private final @Nullable SignalHandler replaced;
    private volatile boolean isAnswering;
    private volatile boolean isGiven;

    AnswerSignal() {
        replaced = install();
    }

    private @Nullable SignalHandler install() {
        try {
            return Signal.handle(INTERRUPT, this::take);
        } catch (IllegalArgumentException e) {
            return null; // with java -Xrs the operating system ends the process
        }
    }

    private void take(Signal signal) {
        if (!isAnswering || isGiven) {
            System.exit(EXIT_CODE);
        }
        isGiven = true;
    }

    /** An answer begins. */
    void begin() {
        isGiven = false;
        isAnswering = true;
    }

    /** The answer has ended. */
    void end() {
        isAnswering = false;
    }

    /** Whether the answer that is generated should end. */
    boolean isGiven() {
        return isGiven;
    }

    @Override
    public void close() {
        if (replaced != null) {
            Signal.handle(INTERRUPT, replaced);
        }
    }
}
