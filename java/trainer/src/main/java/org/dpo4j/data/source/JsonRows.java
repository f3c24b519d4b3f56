package org.dpo4j.data.source;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.InputStream;
import java.util.Locale;
import java.util.function.IntFunction;
import org.dpo4j.io.FileErrors;
import org.dpo4j.io.JsonErrors;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;

/** Reads rows that are JSON objects from a stream. */
abstract class JsonRows implements Rows {
    /** Bytes of a line, and characters of a text, at most. */
    static final int MAX_LINE_BYTES = 64 << 20;

    static final JsonFactory FACTORY = JsonFactory.builder()
            .streamReadConstraints(StreamReadConstraints.builder()
                    .maxStringLength(MAX_LINE_BYTES)
                    .build())
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .build();

    final String name;
    private final InputStream input;
    private final IntFunction<String> places;
    private int number;

    /** {@code unit} names what {@link #number} counts: line or row. {@code number} is its initial value. */
    JsonRows(String name, InputStream input, String unit, int number) {
        this.name = name;
        this.input = input;
        this.places = row -> name + " " + unit + " " + row;
        this.number = number;
    }

    /** The next row, or null after the last. Calls {@link #advance} before it reads. */
    abstract @Nullable Row read() throws IOException, BadRow;

    final void advance() {
        number++;
    }

    @Override
    public final int number() {
        return number;
    }

    @Override
    public final IntFunction<String> places() {
        return places;
    }

    @Override
    public final @Nullable Row next() throws BadRow {
        try {
            return read();
        } catch (IOException e) {
            throw unreadable(e);
        }
    }

    final Dpo4jException unreadable(IOException e) {
        return e instanceof JsonProcessingException json
                ? new Dpo4jException(place(number) + " is malformed JSON: " + JsonErrors.reason(json, false), e)
                : new Dpo4jException(
                        place(number) + " cannot be read (" + FileErrors.reason(e) + "); is the file complete?", e);
    }

    final Row row(JsonNode node) throws BadRow {
        if (node instanceof ObjectNode object) {
            return new Row(number, object);
        }
        throw BadRow.malformed(
                "a JSON object is expected, not "
                        + node.getNodeType().toString().toLowerCase(Locale.ROOT),
                node.toString());
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
