package org.dpo4j.export.tokenizer;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.MissingNode;
import org.dpo4j.kernels.Dpo4jException;

/** Whether a SentencePiece tokenizer puts a space before a text. llama.cpp has no other rule before it merges. */
final class SpacePrefix {
    private static final String MARK = "\u2581";

    private SpacePrefix() {}

    /** Throws if normalizer and pre_tokenizer do more than to replace spaces and to put one before the text. */
    static boolean isAdded(TokenizerJson tokenizer) {
        JsonNode normalizer = tokenizer.part("normalizer");
        JsonNode before = tokenizer.part("pre_tokenizer");
        boolean isSequence = normalizer.path("type").asText().equals("Sequence");
        JsonNode first = isSequence ? normalizer.path("normalizers").path(0) : normalizer;
        JsonNode second = isSequence ? normalizer.path("normalizers").path(1) : MissingNode.getInstance();
        boolean hasNormalizer = !normalizer.isMissingNode();
        boolean isShort = !isSequence || normalizer.path("normalizers").size() <= 2;
        if (isShort && hasNormalizer && isPrepend(first) && isReplace(second) && before.isMissingNode()) {
            return true;
        }
        boolean isGemma = isShort && isReplace(first) && second.isMissingNode();
        if (isGemma && (before.isMissingNode() || isSplitAtSpaces(before))) {
            return false;
        }
        if (!hasNormalizer && before.path("type").asText().equals("Metaspace") && isMetaspace(before)) {
            return !before.path("prepend_scheme").asText("always").equals("never");
        }
        throw new Dpo4jException(tokenizer.file() + ": normalizer " + shown(normalizer) + " with pre_tokenizer "
                + shown(before) + " is not a rule of SentencePiece that llama.cpp has; convert this model with"
                + " llama.cpp's convert_hf_to_gguf.py, and compare the tokens");
    }

    private static String shown(JsonNode rule) {
        return rule.isMissingNode() ? "null" : rule.toString();
    }

    private static boolean isPrepend(JsonNode rule) {
        return rule.path("type").asText().equals("Prepend")
                && rule.path("prepend").asText().equals(MARK);
    }

    private static boolean isReplace(JsonNode rule) {
        return rule.path("type").asText().equals("Replace")
                && rule.path("pattern").path("String").asText().equals(" ")
                && rule.path("content").asText().equals(MARK);
    }

    private static boolean isSplitAtSpaces(JsonNode rule) {
        return rule.path("type").asText().equals("Split")
                && rule.path("pattern").path("String").asText().equals(" ")
                && rule.path("behavior").asText().equals("MergedWithPrevious");
    }

    private static boolean isMetaspace(JsonNode rule) {
        return rule.path("replacement").asText().equals(MARK)
                && !rule.path("split").asBoolean(true);
    }
}
