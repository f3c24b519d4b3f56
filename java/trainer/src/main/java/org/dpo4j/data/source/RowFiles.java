package org.dpo4j.data.source;

import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.dpo4j.io.FileErrors;
import org.dpo4j.io.FileFormat;
import org.dpo4j.io.InputFile;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;

/** Opens files of rows. The content of a file determines its format, not its name. A file may be gzipped. */
public final class RowFiles {
    private static final String WANTED =
            "a .jsonl, .json, .jsonl.gz or .parquet file, a directory of them, - for standard"
                    + " input, or the name of a data set in the local Hugging Face cache";

    /** Beginning of a JSON object whose first key is a split and whose first value is a list of objects. */
    private static final Pattern SPLITS =
            Pattern.compile("\\{\\s*\"([^\"\\\\]+)\"\\s*:\\s*\\[\\s*[{\\]].*", Pattern.DOTALL);

    /**
     * Its {@code available} reads ahead one byte, because {@link GzipMembers} needs an exact answer, also for a pipe.
     */
    private static final class Peeking extends BufferedInputStream {
        Peeking(InputStream input) {
            super(input, FileFormat.HEAD_BYTES);
        }

        byte[] head() throws IOException {
            mark(FileFormat.HEAD_BYTES);
            byte[] head = readNBytes(FileFormat.HEAD_BYTES);
            reset();
            return head;
        }

        int peek() throws IOException {
            mark(1);
            int next = read();
            reset();
            return next;
        }

        @Override
        public synchronized int available() throws IOException {
            return peek() < 0 ? 0 : 1;
        }
    }

    private RowFiles() {}

    /** Opens the file. It is opened and read only once, because it may be a pipe. */
    public static Rows open(Path file) {
        return open(file, null, "train");
    }

    /**
     * Opens the file.
     *
     * @param asked the split that must exist; null if a file without splits will do
     * @param split the split to read of a JSON object of splits; null if the file must not be one
     */
    static Rows open(Path file, @Nullable String asked, @Nullable String split) {
        String name = InputFile.name(file);
        InputStream bytes = InputFile.open(file, WANTED);
        try {
            MeasuredRows.Input measured = new MeasuredRows.Input(bytes, file);
            Peeking input = new Peeking(measured);
            byte[] head = input.head();
            if (FileFormat.find(head) == FileFormat.PARQUET) {
                input.close();
                return splitOf(name, asked, ServiceRows.open(file, name, head));
            }
            return new MeasuredRows(open(name, asked, split, input), measured);
        } catch (IOException e) {
            throw new Dpo4jException(name + " cannot be read (" + FileErrors.reason(e) + "); is the file complete?", e);
        }
    }

    /** The first bytes of a regular file, unpacked if it is gzipped. */
    static byte[] head(Path file) {
        try (Peeking input = new Peeking(InputFile.open(file, WANTED))) {
            byte[] head = input.head();
            return FileFormat.find(head) == FileFormat.GZIP ? new Peeking(new GzipMembers(input)).head() : head;
        } catch (IOException e) {
            throw new Dpo4jException(file + " cannot be read (" + FileErrors.reason(e) + "); is the file complete?", e);
        }
    }

    /** Whether a regular file is a JSON object with a list of rows for {@code split}, or for train, test and the like. */
    static boolean hasSplits(Path file, @Nullable String split) {
        try (Peeking bytes = new Peeking(InputFile.open(file, WANTED))) {
            Peeking input = unpacked(bytes);
            skipToRows(input);
            return hasSplits(input.head(), split);
        } catch (IOException e) {
            throw new Dpo4jException(file + " cannot be read (" + FileErrors.reason(e) + "); is the file complete?", e);
        }
    }

    private static Peeking unpacked(Peeking input) throws IOException {
        return FileFormat.find(input.head()) == FileFormat.GZIP ? new Peeking(new GzipMembers(input)) : input;
    }

    private static Rows open(String name, @Nullable String asked, @Nullable String split, Peeking bytes)
            throws IOException {
        Peeking input = unpacked(bytes);
        byte[] head = input.head();
        FileFormat other = FileFormat.find(head);
        if (other != null) {
            input.close();
            throw new Dpo4jException(other.refuseRows(name));
        }
        int line = skipToRows(input);
        int first = input.peek();
        if (first < 0) {
            input.close();
            throw new Dpo4jException(name + " holds no rows: it is " + (head.length == 0 ? "empty" : "only white space")
                    + "; was it written completely?");
        }
        if (first == '[') {
            return splitOf(name, asked, JsonArray.open(name, input));
        }
        if (!hasSplits(input.head(), split)) {
            return splitOf(name, asked, new JsonLines(name, input, line));
        }
        if (split == null) {
            input.close();
            throw new Dpo4jException(
                    name + " is an object of splits, but a pipe to train and to evaluate on is read only"
                            + " once; write it to a file and name that");
        }
        return JsonArray.ofSplit(name, input, split);
    }

    /** Throws if another split than the only one of a file of rows is asked for. */
    private static Rows splitOf(String name, @Nullable String split, Rows rows) {
        if (split != null && !split.equals("train")) {
            rows.close();
            throw new Dpo4jException(name + " is one file of rows, without a split " + split
                    + "; give the file of that split, or the directory of all splits");
        }
        return rows;
    }

    private static boolean hasSplits(byte[] head, @Nullable String split) {
        Matcher begin = SPLITS.matcher(new String(head, StandardCharsets.UTF_8));
        return begin.matches() && (begin.group(1).equals(split) || SplitFiles.isKeyword(begin.group(1)));
    }

    /** Skips a byte order mark and white space. Returns the number of line ends among it. */
    private static int skipToRows(Peeking input) throws IOException {
        byte[] head = input.head();
        if (head.length >= 3 && head[0] == (byte) 0xef && head[1] == (byte) 0xbb && head[2] == (byte) 0xbf) {
            input.skipNBytes(3);
        }
        int lines = 0;
        for (int next = input.peek();
                next == ' ' || next == '\t' || next == '\r' || next == '\n';
                next = input.peek()) {
            lines += input.read() == '\n' ? 1 : 0;
        }
        return lines;
    }
}
