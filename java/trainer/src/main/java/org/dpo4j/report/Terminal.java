package org.dpo4j.report;

import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/** Queries about the terminal. */
final class Terminal {
    private static final int DEFAULT_COLUMNS = 80;

    private Terminal() {}

    /**
     * Width of the terminal of a file descriptor, or 80 if it is unknown; 0 if it is not a terminal. Not
     * System.console(), which also depends on input, and since Java 22 is not null without a terminal either.
     */
    static int columns(int descriptor) {
        if (!isTerminal(descriptor)) {
            return 0;
        }
        try {
            Process stty = new ProcessBuilder("stty", "size")
                    .redirectInput(new File("/proc/self/fd/" + descriptor))
                    .redirectError(ProcessBuilder.Redirect.DISCARD)
                    .start();
            return parse(new String(stty.getInputStream().readAllBytes(), StandardCharsets.US_ASCII));
        } catch (IOException e) {
            return DEFAULT_COLUMNS; // no stty
        }
    }

    /** The columns of {@code "rows columns"}. */
    static int parse(String size) {
        String[] numbers = size.strip().split(" ", -1);
        return numbers.length == 2 && numbers[1].matches("[1-9]\\d{0,5}")
                ? Integer.parseInt(numbers[1])
                : DEFAULT_COLUMNS;
    }

    /** Whether standard input is a terminal. */
    static boolean isStandardInput() {
        return isTerminal(0);
    }

    /** Waits for a line on standard input. Returns false at the end of input. */
    static boolean isEnterPressed() {
        try {
            int typed = System.in.read();
            while (typed >= 0 && typed != '\n') {
                typed = System.in.read();
            }
            return typed >= 0;
        } catch (IOException e) {
            return false;
        }
    }

    private static boolean isTerminal(int descriptor) {
        try {
            return Path.of("/proc/self/fd/" + descriptor).toRealPath().startsWith("/dev/pts");
        } catch (IOException e) {
            return false;
        }
    }
}
