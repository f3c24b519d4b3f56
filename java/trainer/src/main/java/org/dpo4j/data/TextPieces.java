package org.dpo4j.data;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Arrays;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Function;

/**
 * Encodes a text piece by piece and remembers the ids of short pieces, because texts repeat words. A piece ends before a
 * space that follows a visible ASCII character, or before a line break that follows an ASCII letter or digit. {@link
 * #isExact} says for which tokenizers the ids of the pieces are those of the whole text.
 *
 * <p>The ids are the same because no match of the pre-tokenizer's regular expression crosses the end of a piece. No
 * alternative matches a visible character followed by a space, or a letter or digit followed by a line break. The
 * expression has no look-behind, and its only look-ahead is at the end of white space, so a match does not depend on text
 * beyond the end of its piece. BPE encodes each match separately.
 */
final class TextPieces {
    private static final Set<String> PATTERNS = Set.of(
            // GPT-2, which ByteLevel also has built in
            "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
            // Llama 3
            "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*"
                    + "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
            // Qwen 2
            "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*"
                    + "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+");

    /** Limits of what is remembered: about 30 MB. */
    private static final int MAX_REMEMBERED_LENGTH = 40;

    private static final int MAX_REMEMBERED = 1 << 17;

    private final Function<String, int[]> encoder;
    private final Map<String, int[]> remembered = new ConcurrentHashMap<>();

    /** {@code encoder} encodes a whole text. */
    TextPieces(Function<String, int[]> encoder) {
        this.encoder = encoder;
    }

    /** Whether the ids of pieces are those of the whole text, if no added token contains or removes such a place. */
    static boolean isExact(JsonNode normalizer, JsonNode preTokenizer) {
        boolean isKept = normalizer.isNull() || normalizer.isMissingNode() || isType(normalizer, "NFC");
        return isKept && (isSplitting(preTokenizer) || isSplittingSequence(preTokenizer));
    }

    private static boolean isSplittingSequence(JsonNode preTokenizer) {
        boolean isSplitting = false;
        for (JsonNode step : preTokenizer.path("pretokenizers")) {
            if (!isSplitting(step) && !isType(step, "Digits") && !isByteLevel(step)) {
                return false;
            }
            isSplitting |= isSplitting(step);
        }
        return isType(preTokenizer, "Sequence") && isSplitting;
    }

    /** Whether it ends a match at every end of a piece. */
    private static boolean isSplitting(JsonNode step) {
        if (isType(step, "Split")) {
            return PATTERNS.contains(step.path("pattern").path("Regex").asText())
                    && step.path("behavior").asText().equals("Isolated")
                    && !step.path("invert").asBoolean(true);
        }
        return isByteLevel(step) && step.path("use_regex").asBoolean(true);
    }

    private static boolean isByteLevel(JsonNode step) {
        return isType(step, "ByteLevel") && !step.path("add_prefix_space").asBoolean(true);
    }

    private static boolean isType(JsonNode node, String type) {
        return node.path("type").asText().equals(type);
    }

    /** Whether an added token may be matched across an end of a piece. */
    static boolean isAcross(String addedToken) {
        return end(addedToken, 0) < addedToken.length();
    }

    /** The ids of a text. */
    int[] encode(String text) {
        int[] ids = new int[text.length() / 3 + 16];
        int count = 0;
        for (int begin = 0, end; begin < text.length(); begin = end) {
            end = end(text, begin);
            int[] piece = piece(text.substring(begin, end));
            if (count + piece.length > ids.length) {
                ids = Arrays.copyOf(ids, Math.max(2 * ids.length, count + piece.length));
            }
            System.arraycopy(piece, 0, ids, count, piece.length);
            count += piece.length;
        }
        return Arrays.copyOf(ids, count);
    }

    private int[] piece(String piece) {
        int[] ids = remembered.get(piece);
        if (ids == null) {
            ids = encoder.apply(piece);
            if (piece.length() <= MAX_REMEMBERED_LENGTH && remembered.size() < MAX_REMEMBERED) {
                remembered.put(piece, ids);
            }
        }
        return ids;
    }

    /** The end of the piece that begins at {@code begin}. */
    private static int end(String text, int begin) {
        for (int i = begin + 1; i < text.length(); i++) {
            char next = text.charAt(i);
            char last = text.charAt(i - 1);
            if (next == ' ' && last > ' ' && last < 0x7f || next == '\n' && isLetterOrDigit(last)) {
                return i;
            }
        }
        return text.length();
    }

    private static boolean isLetterOrDigit(char c) {
        return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9';
    }
}
