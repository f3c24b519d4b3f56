package org.dpo4j.data.row;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.stream.Collectors;
import org.dpo4j.data.row.RowFormat.Kind;
import org.dpo4j.data.source.BadRow;

/** Reads rows of one format, and shows what they say. Rows are written with single quotes for double ones. */
final class ReadRows {
    private static final JsonMapper JSON = new JsonMapper();

    /** A question, and a good and a bad answer. */
    static final String SKY = "{'role':'user','content':'Sky?'}";

    static final String BLUE = "{'role':'assistant','content':'Blue.'}";
    static final String GREEN = "{'role':'assistant','content':'Green.'}";

    /** What {@link #show} makes of them. */
    static final String PAIR = "user: Sky? | assistant: Blue. | assistant: Green.";

    private ReadRows() {}

    static ObjectNode row(String text) {
        try {
            return (ObjectNode) JSON.readTree(text.replace('\'', '"'));
        } catch (JsonProcessingException e) {
            throw new IllegalArgumentException(text, e);
        }
    }

    static List<Example> read(String text, Kind kind) {
        ObjectNode row = row(text);
        try {
            return RowFormats.find(row, EnumSet.of(kind)).read(row);
        } catch (BadRow bad) {
            throw new IllegalArgumentException(bad.getMessage(), bad);
        }
    }

    /** The only example of a row. */
    static Example one(String text, Kind kind) {
        List<Example> examples = read(text, kind);
        assertThat(examples).hasSize(1);
        return examples.get(0);
    }

    static void assertRefused(String text, Kind kind, String message) {
        assertThatThrownBy(() -> read(text, kind)).hasMessage(message);
    }

    /** Prompt and completions, divided by bars; messages as {@code role: content}, divided by slashes. */
    static String show(Content content) {
        if (content instanceof Content.Text text) {
            return text.prompt() + " | " + String.join(" | ", text.completions());
        }
        if (content instanceof Content.Ids ids) {
            return Arrays.toString(ids.prompt()) + " | "
                    + ids.completions().stream().map(Arrays::toString).collect(Collectors.joining(" | "));
        }
        Content.Messages messages = (Content.Messages) content;
        return (messages.prompt() == null ? "" : show(messages.prompt())) + " | "
                + messages.completions().stream().map(ReadRows::show).collect(Collectors.joining(" | "));
    }

    private static String show(Iterable<JsonNode> messages) {
        StringBuilder shown = new StringBuilder();
        for (JsonNode message : messages) {
            shown.append(shown.isEmpty() ? "" : " / ")
                    .append(message.path("role").asText())
                    .append(": ")
                    .append(message.path("content").asText())
                    .append(
                            message.has("tool_calls")
                                    ? message.get("tool_calls").toString().replace('"', '\'')
                                    : "");
        }
        return shown.toString();
    }

    static void assertPair(String row, String expected) {
        assertThat(show(one(row, Kind.PAIR).content())).isEqualTo(expected);
    }
}
