package org.dpo4j.data.source;

import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import org.dpo4j.io.FileErrors;
import org.dpo4j.io.FileFormat;
import org.dpo4j.io.InputFile;
import org.dpo4j.kernels.Dpo4jException;

/** Opens files of rows. The content of a file determines its format, not its name. A file may be gzipped. */
public final class RowFiles {
    private static final String WANTED = "a .jsonl, .json or .jsonl.gz file, or - for standard input"
            + " (download a data set of the Hugging Face hub first)";

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
        String name = InputFile.name(file);
        refuseSavedDataset(file);
        InputStream bytes = InputFile.open(file, WANTED);
        try {
            return open(name, bytes);
        } catch (IOException e) {
            throw new Dpo4jException(name + " cannot be read (" + FileErrors.reason(e) + "); is the file complete?", e);
        }
    }

    /** Throws if the file is a directory written by save_to_disk of Hugging Face's datasets. */
    private static void refuseSavedDataset(Path file) {
        boolean hasSplits = Files.exists(file.resolve("dataset_dict.json"));
        if (hasSplits || Files.exists(file.resolve("dataset_info.json"))) {
            throw new Dpo4jException(
                    file + " is a directory that datasets' save_to_disk wrote; write it as JSONL first, in"
                            + " Python: datasets.load_from_disk(\"" + file + "\")" + (hasSplits ? "[\"train\"]" : "")
                            + ".to_json(\"rows.jsonl\")");
        }
    }

    private static Rows open(String name, InputStream bytes) throws IOException {
        Peeking input = new Peeking(bytes);
        byte[] head = input.head();
        if (FileFormat.find(head) == FileFormat.GZIP) {
            input = new Peeking(new GzipMembers(input));
            head = input.head();
        }
        FileFormat other = FileFormat.find(head);
        if (other != null) {
            input.close();
            throw new Dpo4jException(other.refuseRows(name));
        }
        skipByteOrderMark(input, head);
        int line = 0; // blank lines before the first row
        for (int next = input.peek();
                next == ' ' || next == '\t' || next == '\r' || next == '\n';
                next = input.peek()) {
            line += input.read() == '\n' ? 1 : 0;
        }
        int first = input.peek();
        if (first < 0) {
            input.close();
            throw new Dpo4jException(name + " holds no rows: it is " + (head.length == 0 ? "empty" : "only white space")
                    + "; was it written completely?");
        }
        if (first != '[') {
            return new JsonLines(name, input, line);
        }
        return JsonArray.open(name, input);
    }

    private static void skipByteOrderMark(InputStream input, byte[] head) throws IOException {
        if (head.length >= 3 && head[0] == (byte) 0xef && head[1] == (byte) 0xbb && head[2] == (byte) 0xbf) {
            input.skipNBytes(3);
        }
    }
}
