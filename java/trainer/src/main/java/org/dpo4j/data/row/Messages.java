package org.dpo4j.data.row;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.dpo4j.data.source.BadRow;

/**
 * Reads messages of rows to messages with role and content, which chat templates take. Messages of ShareGPT have {@code
 * from} and {@code value}. Parts of text are joined; other parts, such as images, are refused.
 */
final class Messages {
    private static final JsonNodeFactory NODES = JsonNodeFactory.instance;

    /** Names of speakers in ShareGPT's and other data, and the roles that templates know. */
    private static final Map<String, String> ROLES =
            Map.of("human", "user", "gpt", "assistant", "observation", "tool", "function_response", "tool");

    private static final Set<String> SPEAKERS = Set.of("user", "assistant", "system", "tool", "developer");
    private static final Set<String> TEXT_PARTS = Set.of("text", "input_text", "output_text");

    private Messages() {}

    static ArrayNode user(String text) {
        return one("user", text);
    }

    static ArrayNode assistant(String text) {
        return one("assistant", text);
    }

    static ArrayNode one(String role, String text) {
        return NODES.arrayNode().add(NODES.objectNode().put("role", role).put("content", text));
    }

    static ArrayNode joined(ArrayNode first, ArrayNode second) {
        return NODES.arrayNode().addAll(first).addAll(second);
    }

    /** The messages from {@code begin} to {@code end}. */
    static ArrayNode part(ArrayNode messages, int begin, int end) {
        ArrayNode part = NODES.arrayNode();
        for (int i = begin; i < end; i++) {
            part.add(messages.get(i));
        }
        return part;
    }

    static String role(ArrayNode messages, int index) {
        return messages.path(index).path("role").asText();
    }

    static boolean isAssistant(ArrayNode messages, int index) {
        return role(messages, index).equals("assistant");
    }

    /** Whether the last message is of the assistant and has no text, no thoughts and no calls of functions. */
    static boolean isAnswerEmpty(ArrayNode messages) {
        int last = messages.size() - 1;
        JsonNode answer = messages.path(last);
        return isAssistant(messages, last) && answer.path("content").asText("").isEmpty() && !hasOther(answer);
    }

    /** Whether a message has something else than content: calls of functions or thoughts. */
    private static boolean hasOther(JsonNode message) {
        return Stream.of("tool_calls", "reasoning_content", "reasoning", "thinking")
                .map(message::path)
                .anyMatch(value -> !value.isEmpty() || value.isTextual());
    }

    /** The number of messages with which both lists begin. */
    static int common(ArrayNode first, ArrayNode second) {
        int count = 0;
        while (count < Math.min(first.size(), second.size()) && first.get(count).equals(second.get(count))) {
            count++;
        }
        return count;
    }

    /** Reads a list of messages, or one message. {@code name} is what errors call the value. */
    static ArrayNode read(JsonNode value, String name) throws BadRow {
        if (value.isObject()) {
            return NODES.arrayNode().add(message((ObjectNode) value, name));
        }
        if (!value.isArray()) {
            throw bad(name + " is " + Values.describe(value) + "; give a list of messages");
        }
        if (value.isEmpty()) {
            throw new BadRow(BadRow.Reason.EMPTY_PROMPT, name + " is an empty list; give at least one message");
        }
        ArrayNode messages = NODES.arrayNode();
        for (int i = 0; i < value.size(); i++) {
            String each = name + "[" + i + "]";
            if (!(value.get(i) instanceof ObjectNode message)) {
                throw bad(each + " is " + Values.describe(value.get(i)) + "; give a message with role and content");
            }
            messages.add(message(message, each));
        }
        return messages;
    }

    private static ObjectNode message(ObjectNode message, String name) throws BadRow {
        boolean hasRole = message.hasNonNull("role");
        boolean hasSpeaker = message.hasNonNull("from");
        if (hasRole && hasSpeaker) {
            throw new BadRow(
                    BadRow.Reason.AMBIGUOUS,
                    name + " can be read by role and content, or by from and value; leave out one of them");
        }
        if (!hasRole && !hasSpeaker) {
            throw bad(name + " has no role; give each message a role and content, or from and value");
        }
        Values.checkCharacters(message, name);
        refuseUntrained(message, name);
        return hasRole ? withRole(message, name) : withSpeaker(message, name);
    }

    /** OpenAI's {@code weight} and Axolotl's {@code train} leave single messages out of the loss. */
    private static void refuseUntrained(ObjectNode message, String name) throws BadRow {
        JsonNode weight = message.path("weight");
        JsonNode train = message.path("train");
        if (weight.isNumber() && weight.doubleValue() != 1) {
            throw bad(name + " has the weight " + weight + "; weights of single messages are not supported, so give the"
                    + " messages before it as the prompt");
        }
        if (train.isBoolean() && !train.booleanValue()) {
            throw bad(name + " has train: false, which is not supported; give the messages before it as the prompt");
        }
    }

    private static ObjectNode withRole(ObjectNode message, String name) throws BadRow {
        JsonNode role = message.get("role");
        if (!role.isTextual() || role.textValue().isEmpty()) {
            throw bad(name + ".role is " + Values.describe(role) + "; give a text such as user");
        }
        ObjectNode read = message.deepCopy();
        read.properties()
                .removeIf(entry -> entry.getValue().isNull()); // as transformers does; tables have such columns
        read.put("role", ROLES.getOrDefault(role.textValue(), role.textValue()));
        JsonNode content = message.path("content");
        if (content.isArray()) {
            read.put("content", joinedText(content, name + ".content"));
        } else if (!content.isTextual()) {
            checkAbsent(message, content, name);
        }
        return read;
    }

    /** A message of tool calls or of thoughts need not have content. */
    private static void checkAbsent(ObjectNode message, JsonNode content, String name) throws BadRow {
        if (!content.isNull() && !content.isMissingNode()) {
            throw bad(name + ".content is " + Values.describe(content) + "; give text, or a list of text parts");
        }
        if (!hasOther(message)) {
            throw bad(name + " has no content; give text");
        }
    }

    private static String joinedText(JsonNode parts, String name) throws BadRow {
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < parts.size(); i++) {
            JsonNode part = parts.get(i);
            String type = part.path("type").asText("");
            if (part.isTextual()) {
                text.append(part.textValue());
            } else if (TEXT_PARTS.contains(type) && part.path("text").isTextual()) {
                text.append(part.get("text").textValue());
            } else if (TEXT_PARTS.contains(type)) {
                throw bad(name + "[" + i + "].text is " + Values.describe(part.path("text")) + "; give text");
            } else {
                throw new BadRow(
                        BadRow.Reason.NOT_TEXT,
                        name + "[" + i + "] is "
                                + (type.isEmpty() ? Values.describe(part) : "of type " + type)
                                + ", and the model reads only text; leave the row out, or give parts of type text");
            }
        }
        return text.toString();
    }

    private static ObjectNode withSpeaker(ObjectNode message, String name) throws BadRow {
        String speaker = message.get("from").asText();
        JsonNode value = message.path("value");
        if (!value.isTextual()) {
            throw bad(name + ".value is " + Values.describe(value) + "; give text");
        }
        if (speaker.equals("function_call")) {
            ObjectNode read = NODES.objectNode().put("role", "assistant").put("content", "");
            read.set("tool_calls", ToolCalls.read(value.textValue(), name + ".value"));
            return read;
        }
        String role = ROLES.getOrDefault(speaker, speaker);
        if (!SPEAKERS.contains(role)) {
            throw bad(name + " is from " + speaker
                    + "; give human, gpt, system, function_call or observation, or user, assistant or tool");
        }
        return NODES.objectNode().put("role", role).put("content", value.textValue());
    }

    private static BadRow bad(String message) {
        return new BadRow(BadRow.Reason.BAD_VALUE, message);
    }
}
