package org.dpo4j.data.row;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.dpo4j.data.source.BadRow;

/**
 * Transcripts as in Anthropic's HH data: {@code chosen} up to and including its last {@code "\n\nAssistant:"} is the
 * prompt, and {@code rejected} must begin with it.
 */
record TranscriptFormat() implements RowFormat {
    private static final String ASSISTANT = "\n\nAssistant:";

    @Override
    public Kind kind() {
        return Kind.PAIR;
    }

    @Override
    public Set<String> columns() {
        return new LinkedHashSet<>(List.of("chosen", "rejected"));
    }

    @Override
    public List<Example> read(ObjectNode row) throws BadRow {
        String chosen = Values.text(row, "chosen");
        String rejected = Values.text(row, "rejected");
        int turn = chosen.lastIndexOf(ASSISTANT);
        if (turn < 0) {
            throw new BadRow(
                    BadRow.Reason.NO_SHARED_PROMPT,
                    "there is no prompt, and chosen is not a transcript with \"\\n\\nAssistant:\"; add a prompt");
        }
        String prompt = chosen.substring(0, turn + ASSISTANT.length());
        if (!rejected.startsWith(prompt)) {
            throw new BadRow(
                    BadRow.Reason.NO_SHARED_PROMPT,
                    "chosen and rejected differ before the last \"\\n\\nAssistant:\" of chosen; only the last answer"
                            + " may differ");
        }
        Content content = new Content.Text(
                prompt, List.of(chosen.substring(prompt.length()), rejected.substring(prompt.length())));
        return List.of(new Example.Pair(content, 1, Example.ReferenceSums.NONE));
    }

    @Override
    public String toString() {
        return columns().toString();
    }
}
