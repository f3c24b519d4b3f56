package org.dpo4j.data.row;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import java.util.Set;
import org.dpo4j.data.source.BadRow;
import org.jspecify.annotations.Nullable;

/** The columns from which the prompt of a row is read. The first column is the one by which rows are recognised. */
enum PromptColumns {
    /** Chosen and rejected begin with the prompt. */
    NONE {
        @Override
        @Nullable
        JsonNode read(ObjectNode row) {
            return null;
        }
    },

    /** Text, or messages. */
    PROMPT("prompt") {
        @Override
        JsonNode read(ObjectNode row) throws BadRow {
            return Parts.read(row, "prompt");
        }
    },

    /** Messages up to the answer. */
    MESSAGES("messages") {
        @Override
        JsonNode read(ObjectNode row) throws BadRow {
            return Messages.read(row.path("messages"), "messages");
        }
    },

    /** ShareGPT's name of {@link #MESSAGES}. */
    CONVERSATIONS("conversations") {
        @Override
        JsonNode read(ObjectNode row) throws BadRow {
            return Messages.read(row.path("conversations"), "conversations");
        }
    },

    /** Alpaca's columns. They are a message of the user, as in LLaMA-Factory; {@code history} has earlier turns. */
    INSTRUCTION("instruction", "input", "history") {
        @Override
        JsonNode read(ObjectNode row) throws BadRow {
            String instruction = Values.text(row, "instruction");
            String input = row.hasNonNull("input") ? Values.text(row, "input") : "";
            boolean hasBoth = !instruction.isEmpty() && !input.isEmpty();
            return history(row).addAll(Messages.user(instruction + (hasBoth ? "\n" : "") + input));
        }
    },

    /** OpenAI's preference rows: an object with messages and tools. */
    INPUT("input") {
        @Override
        JsonNode read(ObjectNode row) throws BadRow {
            if (!row.path("input").isObject()) {
                throw new BadRow(
                        BadRow.Reason.BAD_VALUE,
                        "input is " + Values.describe(row.path("input")) + "; give an object with messages");
            }
            return ToolCalls.withParsedArguments(Messages.read(row.path("input").path("messages"), "input.messages"));
        }
    };

    private final List<String> columns;

    PromptColumns(String... columns) {
        this.columns = List.of(columns);
    }

    /** Text or messages; null if the row has no prompt apart from its completions. */
    abstract @Nullable JsonNode read(ObjectNode row) throws BadRow;

    /** The column that a row must have. */
    List<String> required() {
        return columns.isEmpty() ? List.of() : columns.subList(0, 1);
    }

    /** All columns that are read. */
    Set<String> columns() {
        return Set.copyOf(columns);
    }

    /** Whether the prompt is always messages. */
    boolean isConversation() {
        return this != NONE && this != PROMPT;
    }

    /** Turns before the instruction: a list of pairs of question and answer. */
    private static ArrayNode history(ObjectNode row) throws BadRow {
        ArrayNode messages = row.arrayNode();
        for (JsonNode turn : row.path("history")) {
            if (turn.size() != 2 || !turn.path(0).isTextual() || !turn.path(1).isTextual()) {
                throw new BadRow(
                        BadRow.Reason.BAD_VALUE,
                        "history is not a list of pairs of text, question and answer; give that");
            }
            Values.checkCharacters(turn, "history");
            messages.addAll(Messages.user(turn.get(0).textValue()));
            messages.addAll(Messages.assistant(turn.get(1).textValue()));
        }
        return messages;
    }
}
