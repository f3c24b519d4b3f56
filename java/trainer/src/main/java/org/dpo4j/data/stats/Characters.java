package org.dpo4j.data.stats;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;
import org.dpo4j.data.row.Content;
import org.dpo4j.data.source.BadRow;
import org.jspecify.annotations.Nullable;

/** Lengths without a tokenizer: Unicode characters of texts, and of the contents of messages. */
final class Characters {
    private Characters() {}

    /** The length of the prompt, 0 if there is none, and of each completion. */
    static int[] measure(Content content) throws BadRow {
        if (content instanceof Content.Text text) {
            return lengths(
                    length(text.prompt()),
                    text.completions().stream().map(Characters::length).toList());
        }
        if (content instanceof Content.Messages messages) {
            return lengths(
                    messages.prompt() == null ? 0 : length(messages.prompt()),
                    messages.completions().stream()
                            .map(each -> length((JsonNode) each))
                            .toList());
        }
        throw new BadRow(
                BadRow.Reason.UNKNOWN_FORMAT,
                "it has token ids, which are no characters; give model_name_or_path to count tokens");
    }

    private static int[] lengths(int prompt, List<Integer> completions) {
        int[] lengths = new int[1 + completions.size()];
        lengths[0] = prompt;
        for (int i = 0; i < completions.size(); i++) {
            lengths[i + 1] = completions.get(i);
        }
        return lengths;
    }

    private static int length(@Nullable String text) {
        return text == null ? 0 : text.codePointCount(0, text.length());
    }

    private static int length(JsonNode messages) {
        int sum = 0;
        for (JsonNode message : messages) {
            sum += length(message.path("content").asText(""));
        }
        return sum;
    }
}
