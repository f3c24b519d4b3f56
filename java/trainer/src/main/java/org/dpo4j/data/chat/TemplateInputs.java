package org.dpo4j.data.chat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.NullNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.databind.node.TextNode;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.dpo4j.data.chat.jinja.JsonValues;
import org.dpo4j.data.chat.jinja.WhiteSpace;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;

/**
 * The variables of a rendering, prepared as apply_chat_template of transformers does: keys of messages that are null are
 * dropped, reasoning is copied to all its names, and the end of a message to be continued is marked.
 */
final class TemplateInputs {
    private static final List<String> REASONING = List.of("reasoning_content", "thinking", "reasoning");

    /** Marks where a message is to be continued; a template that trims it drops the space. */
    private static final String MARK = "CONTINUE_FINAL_MESSAGE_TAG ";

    private final Map<String, Object> variables = new HashMap<>();
    private final @Nullable String continued;

    private TemplateInputs(
            ArrayNode messages,
            Conversation conversation,
            boolean isPrompted,
            Map<String, String> specialTokens,
            @Nullable String continued) {
        this.continued = continued;
        variables.putAll(specialTokens);
        conversation.variables().fields().forEachRemaining(field -> {
            if (List.of("messages", "tools", "documents", "add_generation_prompt")
                    .contains(field.getKey())) {
                throw new Dpo4jException(
                        "chat_template_kwargs has " + field.getKey() + ", which comes from the row; remove it there");
            }
            variables.put(field.getKey(), JsonValues.convert(field.getValue()));
        });
        variables.put("messages", JsonValues.convert(messages));
        variables.put("tools", convert(conversation.tools()));
        variables.put("documents", convert(conversation.documents()));
        variables.put("add_generation_prompt", isPrompted);
    }

    private static Object convert(@Nullable ArrayNode values) {
        return JsonValues.convert(values == null ? NullNode.instance : values);
    }

    static TemplateInputs prepare(
            Conversation conversation,
            boolean isPrompted,
            boolean isContinued,
            String source,
            Map<String, String> specialTokens) {
        if (conversation.messages().isEmpty()) {
            throw new Dpo4jException("the conversation has no messages; a template needs at least one");
        }
        requireObjects(conversation.tools(), "tools");
        requireObjects(conversation.documents(), "documents");
        ArrayNode messages = conversation.messages().arrayNode();
        for (JsonNode message : conversation.messages()) {
            if (!(message instanceof ObjectNode object)) {
                throw new Dpo4jException(
                        "a message is " + message.getNodeType() + "; it must be an object with role and" + " content");
            }
            messages.add(prepare(object));
        }
        String continued = isContinued ? mark(messages, source) : null;
        return new TemplateInputs(messages, conversation, isPrompted, specialTokens, continued);
    }

    private static void requireObjects(@Nullable ArrayNode values, String name) {
        if (values != null) {
            for (JsonNode value : values) {
                if (!value.isObject()) {
                    throw new Dpo4jException(
                            name + " has a value of type " + value.getNodeType() + "; each must be an object");
                }
            }
        }
    }

    private static ObjectNode prepare(ObjectNode message) {
        ObjectNode copy = message.objectNode();
        JsonNode reasoning = null;
        for (String name : REASONING) {
            JsonNode value = message.get(name);
            reasoning = reasoning == null && value != null && !value.isNull() ? value : reasoning;
        }
        if (reasoning != null) {
            copy.set("thinking", reasoning);
        }
        message.fields().forEachRemaining(field -> {
            if (!field.getValue().isNull()) {
                copy.set(field.getKey(), field.getValue());
            }
        });
        if (reasoning != null) {
            copy.set("reasoning_content", reasoning);
        }
        return copy;
    }

    /** Marks the end of the last message's content, and returns that content. */
    private static String mark(ArrayNode messages, String source) {
        int last = messages.size() - 1;
        ObjectNode message = (ObjectNode) messages.get(last);
        JsonNode content = message.get("content");
        if (content == null) {
            throw new Dpo4jException("the last message has no content that could be continued; add it");
        }
        if (!source.contains("content")) {
            throw new Dpo4jException("the template does not read content, so the last message cannot be continued");
        }
        if (content.isTextual()) {
            message.set("content", TextNode.valueOf(content.textValue() + MARK));
            return content.textValue();
        }
        if (content instanceof ArrayNode parts) {
            ArrayNode copy = parts.deepCopy();
            for (int i = copy.size() - 1; i >= 0; i--) {
                if (copy.get(i) instanceof ObjectNode part && part.path("text").isTextual()) {
                    String text = part.path("text").textValue();
                    part.put("text", text + MARK);
                    message.set("content", copy);
                    return text;
                }
            }
        }
        throw new Dpo4jException(
                "the last message has no text that could be continued; it must be an assistant's text");
    }

    Map<String, Object> variables() {
        return variables;
    }

    /** The text up to the mark, if the last message is to be continued. */
    String cut(String text) {
        if (continued == null) {
            return text;
        }
        String mark = MARK.strip();
        int place = text.lastIndexOf(mark);
        if (place < 0 || !text.contains(WhiteSpace.strip(continued))) {
            throw new Dpo4jException(
                    "the last message cannot be continued: the template does not print it unchanged; it"
                            + " would print:\n" + text.replace(mark, ""));
        }
        String head = text.substring(0, place);
        return text.startsWith(MARK, place) ? head : WhiteSpace.stripEnd(head);
    }
}
