package org.dpo4j.data.row;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.dpo4j.data.source.BadRow;
import org.jspecify.annotations.Nullable;

/** Makes one {@link Content} of the prompt and completions of a row, which may be text and messages. */
final class Contents {
    /** What the caller of a template decides, not a row. */
    private static final Set<String> RESERVED = Set.of(
            "messages",
            "tools",
            "documents",
            "chat_template",
            "add_generation_prompt",
            "continue_final_message",
            "tokenize");

    private Contents() {}

    /** Whether the row is a conversation: any of its parts is messages, or it has a column for the system message. */
    static boolean isConversation(ObjectNode row, @Nullable JsonNode prompt, List<JsonNode> completions) {
        return row.hasNonNull("system")
                || (prompt != null && prompt.isArray())
                || completions.stream().anyMatch(JsonNode::isArray);
    }

    /** The content of a prompt and its completions. {@code prompt} is null if chosen and rejected begin with it. */
    static Content of(ObjectNode row, @Nullable JsonNode prompt, List<JsonNode> completions) throws BadRow {
        if (isConversation(row, prompt, completions)) {
            return conversation(row, prompt, completions);
        }
        refuseTools(row);
        List<String> texts = completions.stream().map(JsonNode::textValue).toList();
        return prompt == null
                ? ImplicitPrompt.split(texts.get(0), texts.get(1))
                : new Content.Text(prompt.textValue(), texts);
    }

    /** A conversation in which everything is to be learnt. */
    static Content whole(ObjectNode row, ArrayNode messages) throws BadRow {
        return new Content.Messages(null, List.of(withSystem(row, messages)), variables(row));
    }

    private static void refuseTools(ObjectNode row) throws BadRow {
        if (variables(row).tools() != null) {
            throw bad("tools need messages, which the chat template renders with them, but the row has text; give"
                    + " messages, or leave tools out with column_map");
        }
    }

    private static Content conversation(ObjectNode row, @Nullable JsonNode prompt, List<JsonNode> completions)
            throws BadRow {
        List<ArrayNode> answers = new ArrayList<>();
        for (JsonNode completion : completions) {
            answers.add(
                    completion instanceof ArrayNode messages ? messages : Messages.assistant(completion.textValue()));
        }
        ArrayNode before = before(prompt, answers);
        ArrayNode start = before;
        if (start == null) {
            start = Messages.part(answers.get(0), 0, ImplicitPrompt.length(answers.get(0), answers.get(1)));
        }
        if (before == null || answers.stream().allMatch(answer -> begins(answer, before))) {
            int length = start.size();
            answers.replaceAll(answer -> Messages.part(answer, length, answer.size()));
        }
        checkAnswers(answers);
        return new Content.Messages(withSystem(row, start), answers, variables(row));
    }

    /** The messages of an explicit prompt; null if the answers are whole conversations that begin with it. */
    private static @Nullable ArrayNode before(@Nullable JsonNode prompt, List<ArrayNode> answers) throws BadRow {
        if (prompt == null || prompt instanceof ArrayNode) {
            return (ArrayNode) prompt;
        }
        String text = prompt.textValue();
        if (answers.stream().anyMatch(answer -> Messages.isAssistant(answer, 0))) {
            return Messages.user(text);
        }
        if (answers.size() == 1) {
            throw bad("prompt is text, and completion begins with a message of " + Messages.role(answers.get(0), 0)
                    + "; begin it with the assistant's answer");
        }
        int length = ImplicitPrompt.length(answers.get(0), answers.get(1));
        for (int i = 0; i < length; i++) {
            if (answers.get(0).get(i).path("content").asText().strip().equals(text.strip())) {
                return null;
            }
        }
        throw new BadRow(
                BadRow.Reason.AMBIGUOUS,
                "prompt is text, but chosen and rejected are whole conversations without a message of this text; leave"
                        + " prompt out with column_map, or give only the answers");
    }

    private static boolean begins(ArrayNode answer, ArrayNode prompt) {
        return answer.size() > prompt.size() && Messages.common(answer, prompt) == prompt.size();
    }

    private static void checkAnswers(List<ArrayNode> answers) throws BadRow {
        for (int i = 0; i < answers.size(); i++) {
            if (!Messages.isAssistant(answers.get(i), 0)) {
                throw bad(Content.completionName(i, answers.size()) + " begins with a message of "
                        + Messages.role(answers.get(i), 0)
                        + "; begin it with the assistant's answer, or with all messages of the prompt");
            }
            int last = answers.get(i).size() - 1;
            if (!Messages.isAssistant(answers.get(i), last)) {
                throw bad(Content.completionName(i, answers.size()) + " ends with a message of "
                        + Messages.role(answers.get(i), last)
                        + ", which would be learnt; end it with the assistant's answer");
            }
        }
    }

    private static ArrayNode withSystem(ObjectNode row, ArrayNode messages) throws BadRow {
        String system = row.hasNonNull("system") ? Values.text(row, "system") : "";
        if (system.isEmpty()) {
            return messages;
        }
        if (Messages.role(messages, 0).equals("system")) {
            throw new BadRow(
                    BadRow.Reason.AMBIGUOUS,
                    "the system message can be read from the column system or from the first message; leave out one of"
                            + " them");
        }
        return Messages.joined(Messages.one("system", system), messages);
    }

    private static Content.ChatVariables variables(ObjectNode row) throws BadRow {
        JsonNode own = row.path("tools");
        JsonNode tools = own.isNull() || own.isMissingNode() ? row.path("input").path("tools") : own;
        return new Content.ChatVariables(
                objects(tools, "tools"), objects(row.path("documents"), "documents"), others(row));
    }

    /** A list of objects, or text with the JSON of one; null if it is absent or empty. */
    private static @Nullable ArrayNode objects(JsonNode value, String name) throws BadRow {
        boolean isText = value.isTextual() && !value.textValue().isBlank();
        JsonNode list = isText ? ToolCalls.parse(value.textValue(), name) : value;
        if (list.isNull() || list.isMissingNode() || list.isTextual() && !isText || list.isArray() && list.isEmpty()) {
            return null;
        }
        if (!(list instanceof ArrayNode array)) {
            throw bad(name + " is " + Values.describe(list) + "; give a list of objects");
        }
        for (JsonNode each : array) {
            if (!each.isObject()) {
                throw bad(name + " holds " + Values.describe(each) + "; give a list of objects");
            }
        }
        Values.checkCharacters(array, name);
        return array;
    }

    private static ObjectNode others(ObjectNode row) throws BadRow {
        JsonNode others = row.path("chat_template_kwargs");
        if (others.isNull() || others.isMissingNode()) {
            return row.objectNode();
        }
        if (!(others instanceof ObjectNode object)) {
            throw bad("chat_template_kwargs is " + Values.describe(others) + "; give an object");
        }
        for (String name : RESERVED) {
            if (object.has(name)) {
                throw bad("chat_template_kwargs sets " + name + ", which a row cannot decide; leave it out");
            }
        }
        Values.checkCharacters(object, "chat_template_kwargs");
        return object;
    }

    private static BadRow bad(String message) {
        return new BadRow(BadRow.Reason.BAD_VALUE, message);
    }
}
