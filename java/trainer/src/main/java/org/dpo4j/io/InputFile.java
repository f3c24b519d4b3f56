package org.dpo4j.io;

import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Set;
import org.dpo4j.kernels.Dpo4jException;

/**
 * A file that a user names for reading. It is opened once and read from start to end, so it may be a pipe, a shell's
 * {@code <(...)} or {@code /dev/stdin}. {@code -} is standard input.
 */
public final class InputFile {
    private static final Set<String> STANDARD = Set.of("-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0");

    /** Has an {@code available} that does not seek, because pipes cannot. */
    private static final class Unseekable extends FilterInputStream {
        Unseekable(InputStream input) {
            super(input);
        }

        @Override
        public int available() {
            return 0;
        }
    }

    private InputFile() {}

    /** The name of the file in errors and reports. */
    public static String name(Path file) {
        return isStandardInput(file) ? "standard input" : file.toString();
    }

    /** Opens the file. {@code wanted} describes the expected file in errors. */
    public static InputStream open(Path file, String wanted) {
        if (isStandardInput(file)) {
            return System.in;
        }
        if (Files.isDirectory(file)) {
            throw new Dpo4jException(file + " is a directory; give " + wanted);
        }
        try {
            return new Unseekable(Files.newInputStream(file));
        } catch (NoSuchFileException e) {
            boolean isAddress = file.toString().matches("(https?|hf|s3|gs):/.*");
            String what = isAddress ? " is an address, and files are not downloaded; " : " does not exist; ";
            throw new Dpo4jException(file + what + "give " + wanted, e);
        } catch (IOException e) {
            throw new Dpo4jException(
                    file + " cannot be read (" + FileErrors.reason(e) + "); give a file that this user may read", e);
        }
    }

    /** Whether both are the same file, which must then be read only once, because it may be a pipe. */
    public static boolean isSame(Path a, Path b) {
        if (isStandardInput(a) || isStandardInput(b)) {
            return isStandardInput(a) && isStandardInput(b);
        }
        try {
            return Files.isSameFile(a, b);
        } catch (IOException e) {
            return false; // one of them does not exist; opening it will throw
        }
    }

    /** Whether a file that exists can be read only once: it is standard input or a pipe. */
    public static boolean isReadOnce(Path file) {
        return isStandardInput(file) || !Files.isRegularFile(file);
    }

    /** Whether the path is {@code -} or another name of standard input. */
    public static boolean isStandardInput(Path file) {
        return STANDARD.contains(file.normalize().toString());
    }
}
