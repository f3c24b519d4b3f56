package org.dpo4j.data.source;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.io.InputStream;
import java.util.ArrayList;
import java.util.List;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;

/**
 * Reads the elements of a JSON array: of the whole file, or of one key of an object of splits. Malformed JSON ends the
 * file with an error, since later elements cannot be found.
 */
final class JsonArray extends JsonRows {
    private static final JsonMapper MAPPER = new JsonMapper(FACTORY);

    private final JsonParser parser;
    private final boolean isWholeFile;

    private JsonArray(String name, InputStream input, JsonParser parser, boolean isWholeFile) {
        super(name, input, "row", 0);
        this.parser = parser;
        this.isWholeFile = isWholeFile;
    }

    /** {@code input} must be at the opening bracket. */
    static JsonArray open(String name, InputStream input) throws IOException {
        JsonParser parser = FACTORY.createParser(input);
        parser.nextToken();
        return new JsonArray(name, input, parser, true);
    }

    /** {@code input} must be at the opening brace of an object that has a list of rows for each split. */
    static JsonArray ofSplit(String name, InputStream input, String split) throws IOException {
        JsonParser parser = FACTORY.createParser(input);
        JsonArray rows = new JsonArray(name + " split " + split, input, parser, false);
        try {
            rows.find(split);
        } catch (IOException e) {
            throw rows.unreadable(e);
        }
        return rows;
    }

    private void find(String split) throws IOException {
        List<String> others = new ArrayList<>();
        parser.nextToken();
        while (parser.nextToken() == JsonToken.FIELD_NAME) {
            String key = parser.currentName();
            JsonToken value = parser.nextToken();
            if (key.equals(split) && value == JsonToken.START_ARRAY) {
                return;
            }
            others.add(key);
            parser.skipChildren();
        }
        throw new Dpo4jException(name + " does not exist: the file is an object with " + String.join(", ", others)
                + "; ask for one of these splits");
    }

    @Override
    @Nullable
    Row read() throws IOException, BadRow {
        advance();
        if (parser.nextToken() == JsonToken.END_ARRAY) {
            if (isWholeFile && parser.nextToken() != null) {
                throw new Dpo4jException(name + " continues after its array, at line "
                        + parser.currentLocation().getLineNr() + "; give one array of rows, or one row per line");
            }
            return null;
        }
        return row(MAPPER.readTree(parser));
    }
}
