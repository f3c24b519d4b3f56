package org.dpo4j.data;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import org.dpo4j.io.FileErrors;
import org.dpo4j.io.FileFormat;
import org.dpo4j.io.InputFile;
import org.dpo4j.io.JsonErrors;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;

/**
 * The JSON objects of a file, one at a time: a line each (JSONL), or the elements of one array; either may be gzipped.
 * What the file holds decides, not its name.
 */
final class Rows implements AutoCloseable {

    /** A row and where it stands: the line, or the element of the array, counted from 1. */
    record Row(int number, ObjectNode values) {}

    private static final int LONGEST_LINE = 64 << 20;
    private static final JsonFactory FACTORY = JsonFactory.builder()
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .build();
    private static final JsonMapper MAPPER = JsonMapper.builder(FACTORY)
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .build();
    private static final JsonMapper ELEMENTS = new JsonMapper(FACTORY);

    private static final String WANTED = "a .jsonl, .json or .jsonl.gz file, or - for standard input"
            + " (a data set of the Hugging Face hub is to be downloaded first)";

    /** Tells whether more bytes follow by reading one: of a pipe no other answer is sure, and members of gzip ask. */
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

    private final String name;
    private final InputStream input;
    private final @Nullable JsonParser array;
    private int number;

    private Rows(String name, InputStream input, int number, @Nullable JsonParser array) {
        this.name = name;
        this.input = input;
        this.number = number;
        this.array = array;
    }

    /** Opens the file, once: it may be a pipe. */
    static Rows open(Path file) {
        String name = InputFile.name(file);
        refuseSavedDataset(file);
        InputStream bytes = InputFile.open(file, WANTED);
        try {
            return open(name, bytes);
        } catch (IOException e) {
            throw new Dpo4jException(name + " cannot be read (" + FileErrors.reason(e) + "); is the file whole?", e);
        }
    }

    /** What save_to_disk of Hugging Face's datasets makes: a directory, of one data set or of its splits. */
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
        int line = 0; // complete lines of white space
        for (int next = input.peek();
                next == ' ' || next == '\t' || next == '\r' || next == '\n';
                next = input.peek()) {
            line += input.read() == '\n' ? 1 : 0;
        }
        int first = input.peek();
        if (first < 0) {
            input.close();
            throw new Dpo4jException(name + " holds no rows: it is "
                    + (head.length == 0 ? "empty" : "white space alone") + "; was it written whole?");
        }
        if (first != '[') {
            return new Rows(name, input, line, null);
        }
        JsonParser array = FACTORY.createParser(input);
        array.nextToken();
        return new Rows(name, input, 0, array);
    }

    private static void skipByteOrderMark(InputStream input, byte[] head) throws IOException {
        if (head.length >= 3 && head[0] == (byte) 0xef && head[1] == (byte) 0xbb && head[2] == (byte) 0xbf) {
            input.skipNBytes(3);
        }
    }

    /** Line or row {@code number} of the file, for errors. */
    String place(int number) {
        return name + (array == null ? " line " : " row ") + number;
    }

    /** Where the last row stands. */
    int number() {
        return number;
    }

    /**
     * The next row, or null after the last. Throws {@link BadRow} for a line that is no object; the rest of an array
     * behind a mistake is lost.
     */
    @Nullable
    Row next() throws BadRow {
        try {
            return array == null ? nextLine() : nextElement(array);
        } catch (JsonProcessingException e) {
            throw new Dpo4jException(place(number) + " is malformed JSON: " + JsonErrors.reason(e, false), e);
        } catch (IOException e) {
            throw new Dpo4jException(
                    place(number) + " cannot be read (" + FileErrors.reason(e) + "); is the file whole?", e);
        }
    }

    private @Nullable Row nextLine() throws IOException, BadRow {
        byte[] line = readLine();
        while (line != null && isBlank(line)) {
            line = readLine();
        }
        if (line == null) {
            return null;
        }
        try {
            return row(MAPPER.readTree(line));
        } catch (JsonProcessingException e) {
            throw new BadRow(
                    BadRow.Reason.MALFORMED,
                    "malformed JSON: " + JsonErrors.reason(e, true) + "; each line is one JSON object");
        }
    }

    /** The bytes up to the next line feed; null at the end of the file. */
    private byte @Nullable [] readLine() throws IOException {
        ByteArrayOutputStream line = new ByteArrayOutputStream(256);
        number++;
        int next = input.read();
        if (next < 0) {
            return null;
        }
        while (next >= 0 && next != '\n') {
            if (line.size() == LONGEST_LINE) {
                throw new Dpo4jException(place(number) + " is longer than 64 MiB; is this a JSONL file?");
            }
            line.write(next);
            next = input.read();
        }
        return line.toByteArray();
    }

    private static boolean isBlank(byte[] line) {
        for (byte b : line) {
            if (b != ' ' && b != '\t' && b != '\r') {
                return false;
            }
        }
        return true;
    }

    private @Nullable Row nextElement(JsonParser parser) throws IOException, BadRow {
        number++;
        if (parser.nextToken() == JsonToken.END_ARRAY) {
            if (parser.nextToken() != null) {
                throw new Dpo4jException(name + " goes on behind its array, at line "
                        + parser.currentLocation().getLineNr() + "; a file is one array of rows, or one row a line");
            }
            return null;
        }
        return row(ELEMENTS.readTree(parser));
    }

    private Row row(JsonNode node) throws BadRow {
        if (node instanceof ObjectNode object) {
            return new Row(number, object);
        }
        throw new BadRow(
                BadRow.Reason.MALFORMED,
                "not a JSON object but " + node.getNodeType().toString().toLowerCase(Locale.ROOT));
    }

    @Override
    public void close() {
        try {
            input.close();
        } catch (IOException e) {
            throw new Dpo4jException(name + " cannot be closed: " + FileErrors.reason(e), e);
        }
    }
}
