package org.dpo4j.data.row;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.dpo4j.data.source.BadRow;

/**
 * A format with text or messages: where the prompt is, and where the answers are.
 *
 * @param required columns that a row must have
 * @param options further columns that are read if a row has them
 * @param isConversation whether this is the variant of the format whose rows hold messages
 */
record ColumnFormat(
        Kind kind,
        List<String> required,
        Set<String> options,
        PromptColumns prompt,
        Answers answers,
        boolean isConversation)
        implements RowFormat {

    /** What is read from every row with text or messages. */
    static final Set<String> CHAT = Set.of("system", "tools", "documents", "chat_template_kwargs");

    static ColumnFormat pair(PromptColumns prompt, String chosen, String rejected) {
        Set<String> options = Set.of("weight", "ref_chosen_logps", "ref_rejected_logps");
        Answers answers = prompt == PromptColumns.INPUT ? Answers.openAi() : Answers.pair(chosen, rejected);
        return new ColumnFormat(Kind.PAIR, columns(prompt, chosen, rejected), options, prompt, answers, false);
    }

    static ColumnFormat ranked(PromptColumns prompt, Answers answers, String... columns) {
        return new ColumnFormat(Kind.PAIR, columns(prompt, columns), Set.of("weight"), prompt, answers, false);
    }

    static ColumnFormat single(PromptColumns prompt, String completion) {
        return new ColumnFormat(
                Kind.SINGLE, columns(prompt, completion), Set.of(), prompt, Answers.one(completion), false);
    }

    static ColumnFormat judged(PromptColumns prompt, String completion, String label) {
        return new ColumnFormat(
                Kind.JUDGED,
                columns(prompt, completion, label),
                Set.of("weight"),
                prompt,
                Answers.one(completion),
                false);
    }

    private static List<String> columns(PromptColumns prompt, String... others) {
        return Stream.concat(prompt.required().stream(), Stream.of(others)).toList();
    }

    @Override
    public Set<String> columns() {
        Set<String> columns = new LinkedHashSet<>(required);
        columns.addAll(prompt.columns());
        columns.addAll(CHAT);
        columns.addAll(options);
        return columns;
    }

    /** Messages before chosen and rejected are a prompt only if they do not end with an answer. */
    @Override
    public boolean isReadable(ObjectNode row) {
        JsonNode messages = row.path(required.get(0));
        boolean isPrompt =
                kind == Kind.PAIR && (prompt == PromptColumns.MESSAGES || prompt == PromptColumns.CONVERSATIONS);
        JsonNode last = messages.path(messages.size() - 1);
        String role = last.path("role").asText(last.path("from").asText());
        return !isPrompt || !Set.of("assistant", "gpt", "function_call").contains(role);
    }

    /** Rows of text and rows of messages are different formats of a file. */
    @Override
    public RowFormat variant(ObjectNode row) {
        boolean hasMessages = row.hasNonNull("system")
                || prompt.isConversation()
                || required.stream().anyMatch(column -> holdsMessages(row.path(column)));
        return new ColumnFormat(kind, required, options, prompt, answers, hasMessages);
    }

    private static boolean holdsMessages(JsonNode value) {
        JsonNode first = value.path(0);
        return value.isObject()
                || first.path("role").isTextual()
                || first.path("from").isTextual()
                || first.path(0).isObject();
    }

    @Override
    public List<Example> read(ObjectNode row) throws BadRow {
        JsonNode start = prompt.read(row);
        List<Answers.Choice> choices = answers.read(row);
        float weight = kind == Kind.SINGLE ? 1 : Values.weight(row);
        Example.ReferenceSums reference =
                options.contains("ref_chosen_logps") ? Values.reference(row) : Example.ReferenceSums.NONE;
        if (choices.size() > 1 && reference != Example.ReferenceSums.NONE) {
            throw new BadRow(
                    BadRow.Reason.BAD_VALUE,
                    "ref_rejected_logps is one number, but there are " + choices.size()
                            + " rejected answers; leave the reference's log-probs out");
        }
        List<Example> examples = new ArrayList<>();
        for (Answers.Choice choice : choices) {
            Content content = Contents.of(row, start, choice.completions());
            examples.add(
                    switch (kind) {
                        case PAIR -> new Example.Pair(content, weight * choice.share(), reference);
                        case SINGLE -> new Example.Single(content, weight);
                        case JUDGED ->
                            new Example.Judged(content, Values.label(row, required.get(required.size() - 1)), weight);
                    });
        }
        return examples;
    }

    @Override
    public String toString() {
        return required + (isConversation && !prompt.isConversation() ? " with messages" : "");
    }

    /** Messages as they are read by {@link WholeFormat}. */
    static ArrayNode messages(ObjectNode row, String column) throws BadRow {
        return Messages.read(row.path(column), column);
    }
}
