package org.dpo4j.data.source;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.io.InputStream;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;

/**
 * Reads the elements of one JSON array. Malformed JSON ends the file with an error, since later elements cannot be
 * found.
 */
final class JsonArray extends JsonRows {
    private static final JsonMapper MAPPER = new JsonMapper(FACTORY);

    private final JsonParser parser;

    private JsonArray(String name, InputStream input, JsonParser parser) {
        super(name, input, "row", 0);
        this.parser = parser;
    }

    /** {@code input} must be at the opening bracket. */
    static JsonArray open(String name, InputStream input) throws IOException {
        JsonParser parser = FACTORY.createParser(input);
        parser.nextToken();
        return new JsonArray(name, input, parser);
    }

    @Override
    @Nullable
    Row read() throws IOException, BadRow {
        advance();
        if (parser.nextToken() == JsonToken.END_ARRAY) {
            if (parser.nextToken() != null) {
                throw new Dpo4jException(name + " continues after its array, at line "
                        + parser.currentLocation().getLineNr() + "; give one array of rows, or one row per line");
            }
            return null;
        }
        return row(MAPPER.readTree(parser));
    }
}
