package org.dpo4j.data.row;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import org.dpo4j.data.source.BadRow;

/**
 * Transcripts as in Anthropic's HH data: {@code chosen} up to and including its last {@code "\n\nAssistant:"} is the
 * prompt, and {@code rejected} must begin with it.
 */
record TranscriptFormat() implements RowFormat {
    private static final String ASSISTANT = "\n\nAssistant:";

    @Override
    public List<String> keys() {
        return List.of("chosen", "rejected");
    }

    @Override
    public boolean isPair() {
        return true;
    }

    @Override
    public Encoder.Joint read(ObjectNode row, Encoder encoder) throws BadRow {
        String chosen = Encoder.text(row, "chosen");
        String rejected = Encoder.text(row, "rejected");
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
        return encoder.joint(prompt, chosen.substring(prompt.length()), rejected.substring(prompt.length()));
    }

    @Override
    public String toString() {
        return keys().toString();
    }
}
