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
 * A file that a user names for reading. It is opened once and read from its start to its end, so that a pipe, {@code
 * <(...)} of a shell or {@code /dev/stdin} will do. {@code -} is standard input.
 */
public final class InputFile {
    private static final Set<String> STANDARD = Set.of("-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0");

    /** Answers available() without seeking, which pipes refuse. */
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

    /** What errors and reports call it. */
    public static String name(Path file) {
        return isStandardInput(file) ? "standard input" : file.toString();
    }

    /** The bytes of the file. {@code wanted} says in errors what to give. */
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

    /** Whether both are one file, which then has to be read once for both. */
    public static boolean isSame(Path a, Path b) {
        if (isStandardInput(a) || isStandardInput(b)) {
            return isStandardInput(a) && isStandardInput(b);
        }
        try {
            return Files.isSameFile(a, b);
        } catch (IOException e) {
            return false; // one of them is absent, which opening it says
        }
    }

    private static boolean isStandardInput(Path file) {
        return STANDARD.contains(file.normalize().toString());
    }
}
