package org.dpo4j.report;

import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/** The terminal that standard output may be. */
final class Terminal {
    private static final int USUAL_COLUMNS = 80;

    private Terminal() {}

    /** Its columns as they are now, 80 where it does not say; 0 where standard output is none. */
    static int columns() {
        if (!isStandardOutput()) {
            return 0;
        }
        try {
            Process stty = new ProcessBuilder("stty", "size")
                    .redirectInput(new File("/proc/self/fd/1"))
                    .redirectError(ProcessBuilder.Redirect.DISCARD)
                    .start();
            return parse(new String(stty.getInputStream().readAllBytes(), StandardCharsets.US_ASCII));
        } catch (IOException e) {
            return USUAL_COLUMNS; // no stty
        }
    }

    /** The columns of {@code "rows columns"}. */
    static int parse(String size) {
        String[] numbers = size.strip().split(" ", -1);
        return numbers.length == 2 && numbers[1].matches("[1-9]\\d{0,5}")
                ? Integer.parseInt(numbers[1])
                : USUAL_COLUMNS;
    }

    /** Whether somebody can type an answer. */
    static boolean isStandardInput() {
        return isTerminal(0);
    }

    /** Waits for a line of standard input; false where it has ended. */
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

    /** System.console() asks about input as well, and from Java 22 on is there without a terminal too. */
    private static boolean isStandardOutput() {
        return isTerminal(1);
    }

    private static boolean isTerminal(int descriptor) {
        try {
            return Path.of("/proc/self/fd/" + descriptor).toRealPath().startsWith("/dev/pts");
        } catch (IOException e) {
            return false;
        }
    }
}
