package org.dpo4j.data.stats;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import org.dpo4j.data.row.Content;
import org.dpo4j.data.row.Content.ChatVariables;
import org.dpo4j.data.row.Encoder;
import org.dpo4j.data.row.Example;
import org.dpo4j.data.source.BadRow;
import org.jspecify.annotations.Nullable;

/** A shape in which rows can be written. Each is read again as what it was made of. */
public enum RowShape {
    /** {@code prompt, chosen, rejected}, {@code prompt, completion} or {@code text}: text, also of messages by a template. */
    TEXT,
    /** The same columns with messages, and {@code messages} for a whole conversation. Text becomes one message. */
    CONVERSATIONAL,
    /** Preference rows of OpenAI and Azure: {@code input, preferred_output, non_preferred_output}. */
    OPENAI,
    /** {@code conversations} with {@code from, value}, and {@code chosen, rejected} or {@code kto_tag}. */
    SHAREGPT,
    /** {@code instruction, input, output}, or {@code chosen, rejected} in place of {@code output}; {@code kto_tag}. */
    ALPACA,
    /** {@code prompt, completion, label}: a pair becomes a good and a bad row. */
    UNPAIRED,
    /** {@code prompt, completion}: of a pair, the chosen completion. */
    PROMPT_COMPLETION,
    /** Token ids: {@code prompt_ids, chosen_ids, rejected_ids}, {@code prompt_ids, completion_ids} or {@code ids}. */
    IDS;

    private static final JsonNodeFactory JSON = JsonNodeFactory.instance;
    private static final List<String> SIDES = List.of("chosen", "rejected");

    /** The rows that say what an example says. {@code encoder} makes the ids; null if there is no tokenizer. */
    public List<ObjectNode> rows(Example example, @Nullable Encoder encoder) throws BadRow {
        boolean isPair = example instanceof Example.Pair;
        checkReference(example);
        return switch (this) {
            case TEXT -> List.of(columns(example, values(rendered(example.content(), encoder))));
            case CONVERSATIONAL -> List.of(columns(example, values(example.content())));
            case OPENAI -> List.of(openAi(example));
            case SHAREGPT ->
                List.of(withExtras(ConversationColumns.shareGpt(example, values(example.content())), example));
            case ALPACA -> List.of(withExtras(ConversationColumns.alpaca(example, values(example.content())), example));
            case UNPAIRED -> isPair ? List.of(side(example, 0), side(example, 1)) : List.of(judged(example));
            case PROMPT_COMPLETION -> List.of(isPair ? completion(example, 0) : single(example));
            case IDS -> List.of(columns(example, ids(example.content(), encoder)));
        };
    }

    /** The reference's log-probs are sums over the tokens of the row. A chat template makes other tokens of its text. */
    private void checkReference(Example example) throws BadRow {
        boolean isTemplateAdded = example.content() instanceof Content.Text && hasMessages();
        boolean isTemplateRemoved = example.content() instanceof Content.Messages && this == TEXT;
        if (example instanceof Example.Pair pair
                && !Float.isNaN(pair.reference().chosen())
                && (isTemplateAdded || isTemplateRemoved)) {
            throw BadRow.unwritable(
                    "ref_chosen_logps, and in this shape the row has other tokens; drop them with column_map");
        }
    }

    private boolean hasMessages() {
        return this == CONVERSATIONAL || this == OPENAI || this == SHAREGPT || this == ALPACA;
    }

    /** The prompt, or null, then the completions, in the type of this shape. */
    private List<@Nullable JsonNode> values(Content content) throws BadRow {
        if (content instanceof Content.Text text) {
            return hasMessages()
                    ? list(
                            text.prompt() == null ? null : message("user", text.prompt()),
                            text.completions().stream()
                                    .<JsonNode>map(each -> message("assistant", each))
                                    .toList())
                    : list(
                            text.prompt() == null ? null : JSON.textNode(text.prompt()),
                            text.completions().stream()
                                    .<JsonNode>map(JSON::textNode)
                                    .toList());
        }
        if (content instanceof Content.Messages messages && this != TEXT) {
            return list(messages.prompt(), messages.completions());
        }
        throw BadRow.unwritable(
                content instanceof Content.Messages
                        ? "messages, not text (give model_name_or_path for its chat template)"
                        : "token ids, not text");
    }

    /** Messages as text, if there is a chat template. Throws if the text has other token ids than the messages. */
    private static Content rendered(Content content, @Nullable Encoder encoder) throws BadRow {
        if (encoder == null || !(content instanceof Content.Messages messages)) {
            return content;
        }
        Content.Text text = encoder.rendered(messages);
        if (!encoder.encode(text).hasSameIds(encoder.encode(messages))) {
            throw new BadRow(
                    BadRow.Reason.UNWRITABLE,
                    "its text has other token ids than its messages: text is read with the tokenizer's BOS and with EOS at"
                            + " its end, messages with what the chat template writes; convert it to ids");
        }
        return text;
    }

    private static List<@Nullable JsonNode> ids(Content content, @Nullable Encoder encoder) throws BadRow {
        if (encoder == null && !(content instanceof Content.Ids)) {
            throw BadRow.unwritable("no token ids; give model_name_or_path, whose tokenizer makes them");
        }
        if (encoder == null) {
            Content.Ids ids = (Content.Ids) content;
            return list(
                    ids.prompt() == null ? null : array(ids.prompt()),
                    ids.completions().stream().<JsonNode>map(RowShape::array).toList());
        }
        Encoder.Joint joint = encoder.encode(content);
        if (content.isWhole()) {
            ArrayNode whole = array(joint.prompt());
            Arrays.stream(joint.completions()[0]).forEach(whole::add);
            return list(null, List.of(whole));
        }
        return list(
                array(joint.prompt()),
                Arrays.stream(joint.completions())
                        .<JsonNode>map(RowShape::array)
                        .toList());
    }

    private static List<@Nullable JsonNode> list(@Nullable JsonNode prompt, List<? extends JsonNode> completions) {
        List<@Nullable JsonNode> all = new ArrayList<>();
        all.add(prompt);
        all.addAll(completions);
        return all;
    }

    private static ArrayNode array(int[] ids) {
        ArrayNode array = JSON.arrayNode(ids.length);
        Arrays.stream(ids).forEach(array::add);
        return array;
    }

    private static ArrayNode message(String role, String content) {
        return JSON.arrayNode().add(JSON.objectNode().put("role", role).put("content", content));
    }

    private BadRow unwritable(Example example) {
        return BadRow.unwritable(
                example instanceof Example.Single ? "one completion, neither a pair nor judged" : "not a pair");
    }

    /** A row with the columns that belong to the kind of the example. */
    private ObjectNode columns(Example example, List<@Nullable JsonNode> values) {
        String end = this == IDS ? "_ids" : "";
        ObjectNode row = JSON.objectNode();
        if (values.get(0) == null) {
            row.set(this == IDS ? "ids" : this == CONVERSATIONAL ? "messages" : "text", values.get(1));
        } else {
            row.set("prompt" + end, values.get(0));
            for (int i = 1; i < values.size(); i++) {
                String name = example instanceof Example.Pair ? SIDES.get(i - 1) : "completion";
                row.set(name + end, values.get(i));
            }
        }
        return withExtras(row, example);
    }

    private ObjectNode withExtras(ObjectNode row, Example example) {
        if (example instanceof Example.Judged judged) {
            row.put(this == SHAREGPT || this == ALPACA ? "kto_tag" : "label", judged.label());
        }
        if (example.weight() != 1) {
            row.put("weight", example.weight());
        }
        if (example instanceof Example.Pair pair
                && !Float.isNaN(pair.reference().chosen())) {
            row.put("ref_chosen_logps", pair.reference().chosen());
            row.put("ref_rejected_logps", pair.reference().rejected());
        }
        if (this != TEXT && this != IDS && this != OPENAI && example.content() instanceof Content.Messages messages) {
            putVariables(row, messages.variables());
        }
        return row;
    }

    private static void putVariables(ObjectNode row, ChatVariables variables) {
        if (variables.tools() != null) {
            row.set("tools", variables.tools());
        }
        if (variables.documents() != null) {
            row.set("documents", variables.documents());
        }
        if (!variables.others().isEmpty()) {
            row.set("chat_template_kwargs", variables.others());
        }
    }

    private ObjectNode openAi(Example example) throws BadRow {
        if (!(example instanceof Example.Pair) || example.content() instanceof Content.Ids) {
            throw example.content() instanceof Content.Ids
                    ? BadRow.unwritable("token ids, not text")
                    : unwritable(example);
        }
        List<@Nullable JsonNode> values = values(example.content());
        ObjectNode row = JSON.objectNode();
        ObjectNode input = row.putObject("input");
        input.set("messages", values.get(0));
        if (example.content() instanceof Content.Messages messages) {
            putVariables(input, messages.variables());
        }
        row.set("preferred_output", values.get(1));
        row.set("non_preferred_output", values.get(2));
        return withExtras(row, example);
    }

    private ObjectNode side(Example example, int side) throws BadRow {
        ObjectNode row = completion(example, side);
        row.put("label", side == 0);
        return row;
    }

    /** The row of one completion of a pair. */
    private ObjectNode completion(Example example, int side) throws BadRow {
        if (example instanceof Example.Pair pair
                && !Float.isNaN(pair.reference().chosen())) {
            throw BadRow.unwritable("ref_chosen_logps, which such rows have no column for; drop it with column_map");
        }
        List<@Nullable JsonNode> values = ofAnyType(example.content());
        String end = example.content() instanceof Content.Ids ? "_ids" : "";
        ObjectNode row = JSON.objectNode();
        row.set("prompt" + end, values.get(0));
        row.set("completion" + end, values.get(1 + side));
        ObjectNode extras = withExtras(JSON.objectNode(), example);
        row.setAll(extras);
        return row;
    }

    private List<@Nullable JsonNode> ofAnyType(Content content) throws BadRow {
        return content instanceof Content.Ids ? ids(content, null) : values(content);
    }

    private ObjectNode judged(Example example) throws BadRow {
        if (!(example instanceof Example.Judged)) {
            throw unwritable(example);
        }
        return completion(example, 0);
    }

    private ObjectNode single(Example example) throws BadRow {
        if (example.content().isWhole()) {
            throw BadRow.unwritable("a whole sequence, without a prompt");
        }
        if (example instanceof Example.Judged judged && !judged.label()) {
            throw BadRow.unwritable("a completion that was judged bad");
        }
        ObjectNode row = completion(example, 0);
        row.remove("label");
        return row;
    }

    /** The value of {@code convert}. */
    @Override
    public String toString() {
        return name().toLowerCase(Locale.ROOT);
    }
}
