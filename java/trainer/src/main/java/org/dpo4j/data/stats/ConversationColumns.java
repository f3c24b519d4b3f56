package org.dpo4j.data.stats;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.dpo4j.data.row.Example;
import org.dpo4j.data.source.BadRow;
import org.jspecify.annotations.Nullable;

/**
 * Columns of ShareGPT's and Alpaca's rows, as LLaMA-Factory reads them (its data/README.md). Their messages have a speaker
 * and text, and nothing else.
 */
final class ConversationColumns {
    private static final JsonNodeFactory JSON = JsonNodeFactory.instance;
    private static final Map<String, String> SPEAKERS =
            Map.of("user", "human", "assistant", "gpt", "tool", "observation", "system", "system");
    private static final Set<String> KEYS = Set.of("role", "content");

    private ConversationColumns() {}

    /**
     * {@code conversations}: the messages of the prompt, with {@code chosen, rejected}; or all messages.
     *
     * @param values the messages of the prompt, or null, then those of each completion
     */
    static ObjectNode shareGpt(Example example, List<@Nullable JsonNode> values) throws BadRow {
        ObjectNode row = JSON.objectNode();
        JsonNode prompt = values.get(0);
        if (example instanceof Example.Pair && prompt != null) {
            row.set("conversations", spoken(prompt));
            row.set("chosen", answer(values.get(1)));
            row.set("rejected", answer(values.get(2)));
            return row;
        }
        ArrayNode all = JSON.arrayNode();
        if (prompt != null) {
            if (!(example instanceof Example.Judged)) {
                throw BadRow.unwritable("a prompt apart from its completion");
            }
            text(values.get(1)); // of several messages, only the last one would be judged
            all.addAll(spoken(prompt));
        }
        row.set("conversations", all.addAll(spoken(values.get(1))));
        return row;
    }

    /** {@code instruction, input} with {@code output} or {@code chosen, rejected}; earlier turns are {@code history}. */
    static ObjectNode alpaca(Example example, List<@Nullable JsonNode> values) throws BadRow {
        JsonNode prompt = values.get(0);
        if (prompt == null) {
            throw BadRow.unwritable("a whole sequence, without a prompt");
        }
        boolean hasSystem = prompt.path(0).path("role").asText().equals("system");
        int last = prompt.size() - 1;
        if ((last - (hasSystem ? 1 : 0)) % 2 != 0) {
            throw BadRow.unwritable("messages that do not alternate");
        }
        ObjectNode row = JSON.objectNode();
        row.put("instruction", text(prompt.path(last), "user")).put("input", "");
        if (example instanceof Example.Pair) {
            row.put("chosen", text(values.get(1))).put("rejected", text(values.get(2)));
        } else {
            row.put("output", text(values.get(1)));
        }
        ArrayNode history = JSON.arrayNode();
        for (int i = hasSystem ? 1 : 0; i < last; i += 2) {
            history.addArray().add(text(prompt.path(i), "user")).add(text(prompt.path(i + 1), "assistant"));
        }
        if (!history.isEmpty()) {
            row.set("history", history);
        }
        if (hasSystem) {
            row.put("system", text(prompt.path(0), "system"));
        }
        return row;
    }

    private static ArrayNode spoken(JsonNode messages) throws BadRow {
        ArrayNode spoken = JSON.arrayNode();
        for (JsonNode message : messages) {
            String role = message.path("role").asText();
            String speaker = SPEAKERS.get(role);
            if (speaker == null) {
                throw BadRow.unwritable("a message of the role " + role);
            }
            spoken.addObject().put("from", speaker).put("value", text(message, role));
        }
        return spoken;
    }

    /** The one message of a completion, as LLaMA-Factory writes it. */
    private static JsonNode answer(JsonNode completion) throws BadRow {
        text(completion);
        return spoken(completion).path(0);
    }

    /** The text of a completion of one message. */
    private static String text(JsonNode completion) throws BadRow {
        if (completion.size() != 1) {
            throw BadRow.unwritable("a completion of several messages");
        }
        return text(completion.path(0), "assistant");
    }

    private static String text(JsonNode message, String role) throws BadRow {
        if (!message.path("role").asText().equals(role)) {
            throw BadRow.unwritable("messages that do not alternate");
        }
        for (String key : (Iterable<String>) message::fieldNames) {
            if (!KEYS.contains(key)) {
                throw BadRow.unwritable("a message with " + key);
            }
        }
        return message.path("content").asText();
    }
}
