package org.dpo4j.data.source;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.dpo4j.io.JsonErrors;
import org.jspecify.annotations.Nullable;

/** Reads one JSON object per line. A malformed or overlong line does not prevent reading the lines after it. */
final class JsonLines extends JsonRows {
    private static final JsonMapper MAPPER = JsonMapper.builder(FACTORY)
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .build();

    private final InputStream input;
    private final byte[] buffer = new byte[1 << 16];
    private int position;
    private int end;

    /** {@code line}: number of lines that have been read from the stream. */
    JsonLines(String name, InputStream input, int line) {
        super(name, input, "line", line);
        this.input = input;
    }

    @Override
    @Nullable
    Row read() throws IOException, BadRow {
        byte[] line = readLine();
        while (line != null && isBlank(line)) {
            line = readLine();
        }
        if (line == null) {
            return null;
        }
        if (line[0] == 0 || line.length > 1 && line[1] == 0) { // Jackson would take the line for UTF-16 or UTF-32
            throw new BadRow(
                    BadRow.Reason.MALFORMED,
                    "malformed JSON: it begins with a NUL byte; write one JSON object per line, in UTF-8");
        }
        try {
            return row(MAPPER.readTree(line));
        } catch (JsonProcessingException e) {
            throw BadRow.malformed(
                    "malformed JSON: " + JsonErrors.reason(e, true) + "; write one JSON object per line",
                    new String(line, StandardCharsets.UTF_8));
        }
    }

    /** Reads the bytes before the next line feed. Returns null at the end of the file. */
    private byte @Nullable [] readLine() throws IOException, BadRow {
        advance();
        if (!fill()) {
            return null;
        }
        int start = position;
        ByteArrayOutputStream before = new ByteArrayOutputStream(0);
        while (true) {
            while (position < end && buffer[position] != '\n') {
                position++;
            }
            if (before.size() + position - start > MAX_LINE_BYTES) {
                skipLine();
                throw new BadRow(
                        BadRow.Reason.MALFORMED,
                        "the line is longer than 64 MiB; write shorter rows, one JSON object per line");
            }
            boolean isComplete = position < end;
            if (isComplete && before.size() == 0) {
                return Arrays.copyOfRange(buffer, start, position++);
            }
            before.write(buffer, start, position - start);
            if (isComplete) {
                position++;
                return before.toByteArray();
            }
            if (!fill()) {
                return before.toByteArray();
            }
            start = 0;
        }
    }

    /** Reads to the end of the line, and keeps nothing. */
    private void skipLine() throws IOException {
        while (fill()) {
            while (position < end) {
                if (buffer[position++] == '\n') {
                    return;
                }
            }
        }
    }

    /** Reads bytes if all of the buffer have been used. Returns false at the end of the file. */
    private boolean fill() throws IOException {
        if (position < end) {
            return true;
        }
        position = 0;
        end = Math.max(0, input.read(buffer));
        return end > 0;
    }

    private static boolean isBlank(byte[] line) {
        for (byte b : line) {
            if (b != ' ' && b != '\t' && b != '\r') {
                return false;
            }
        }
        return true;
    }
}
