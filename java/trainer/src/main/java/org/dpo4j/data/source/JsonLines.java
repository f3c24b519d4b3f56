package org.dpo4j.data.source;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import org.dpo4j.io.JsonErrors;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;

/** Reads one JSON object per line. A malformed line does not prevent reading the lines after it. */
final class JsonLines extends JsonRows {
    private static final int MAX_LINE_BYTES = 64 << 20;
    private static final JsonMapper MAPPER = JsonMapper.builder(FACTORY)
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .build();

    private final InputStream input;

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
        try {
            return row(MAPPER.readTree(line));
        } catch (JsonProcessingException e) {
            throw new BadRow(
                    BadRow.Reason.MALFORMED,
                    "malformed JSON: " + JsonErrors.reason(e, true) + "; write one JSON object per line");
        }
    }

    /** Reads the bytes before the next line feed. Returns null at the end of the file. */
    private byte @Nullable [] readLine() throws IOException {
        ByteArrayOutputStream line = new ByteArrayOutputStream(256);
        advance();
        int next = input.read();
        if (next < 0) {
            return null;
        }
        while (next >= 0 && next != '\n') {
            if (line.size() == MAX_LINE_BYTES) {
                throw new Dpo4jException(place(number()) + " is longer than 64 MiB; is this a JSONL file?");
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
}
