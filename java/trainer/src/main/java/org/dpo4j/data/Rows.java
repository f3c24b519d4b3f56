package org.dpo4j.data;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonLocation;
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
import java.io.PushbackInputStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Locale;
import java.util.zip.GZIPInputStream;
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

    private final Path file;
    private final PushbackInputStream input;
    private final @Nullable JsonParser array;
    private int number;

    private Rows(Path file, PushbackInputStream input, int number, @Nullable JsonParser array) {
        this.file = file;
        this.input = input;
        this.number = number;
        this.array = array;
    }

    static Rows open(Path file) {
        if (Files.isDirectory(file)) {
            throw new Dpo4jException(file + " is a directory; give a .jsonl, .json or .jsonl.gz file");
        }
        try {
            PushbackInputStream input = new PushbackInputStream(unzipped(Files.newInputStream(file)), 4);
            skipByteOrderMark(file, input);
            int line = 1;
            int first = input.read();
            while (first == ' ' || first == '\t' || first == '\r' || first == '\n') {
                line += first == '\n' ? 1 : 0;
                first = input.read();
            }
            if (first < 0) {
                input.close();
                throw new Dpo4jException(file + " holds no rows");
            }
            input.unread(first);
            if (first != '[') {
                return new Rows(file, input, line - 1, null);
            }
            JsonParser array = FACTORY.createParser(input);
            array.nextToken();
            return new Rows(file, input, 0, array);
        } catch (NoSuchFileException e) {
            throw new Dpo4jException(file + " does not exist", e);
        } catch (IOException e) {
            throw new Dpo4jException(file + " cannot be read: " + e.getMessage(), e);
        }
    }

    private static InputStream unzipped(InputStream bytes) throws IOException {
        BufferedInputStream input = new BufferedInputStream(bytes, 1 << 16);
        input.mark(2);
        boolean zipped = input.read() == 0x1f && input.read() == 0x8b;
        input.reset();
        return zipped ? new BufferedInputStream(new GZIPInputStream(input, 1 << 16), 1 << 16) : input;
    }

    private static void skipByteOrderMark(Path file, PushbackInputStream input) throws IOException {
        byte[] start = input.readNBytes(3);
        int first = start.length < 2 ? 0 : ((start[0] & 0xff) << 8) | (start[1] & 0xff);
        if (first == 0xfeff || first == 0xfffe) {
            throw new Dpo4jException(file + " is UTF-16; save it as UTF-8");
        }
        if (start.length < 3 || first != 0xefbb || (start[2] & 0xff) != 0xbf) {
            input.unread(start);
        }
    }

    /** Line or row {@code number} of the file, for errors. */
    String place(int number) {
        return file + (array == null ? " line " : " row ") + number;
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
            JsonLocation location = e.getLocation();
            String where =
                    location == null ? "" : " at line " + location.getLineNr() + " column " + location.getColumnNr();
            throw new Dpo4jException(place(number) + " is malformed JSON: " + firstLine(e) + where, e);
        } catch (IOException e) {
            throw new Dpo4jException(place(number) + " cannot be read: " + e.getMessage() + "; is the file whole?", e);
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
            JsonLocation location = e.getLocation();
            String where = location == null ? "" : " at column " + location.getColumnNr();
            throw new BadRow(
                    BadRow.Reason.MALFORMED,
                    "malformed JSON: " + firstLine(e) + where + "; each line is one JSON object");
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
                throw new Dpo4jException(file + " goes on behind its array, at line "
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

    private static String firstLine(JsonProcessingException e) {
        return e.getOriginalMessage().lines().findFirst().orElse("unknown").strip();
    }

    @Override
    public void close() {
        try {
            input.close();
        } catch (IOException e) {
            throw new Dpo4jException(file + " cannot be closed: " + e.getMessage(), e);
        }
    }
}
