package org.dpo4j.data;

import java.util.Arrays;
import java.util.List;

/**
 * Decodes a sequence token by token. It returns text when no later token can change it. So it holds back an incomplete
 * character, and an end of the text that may begin a stop string.
 *
 * <p>New text is the difference of two decodings of the last tokens, with and without the new one. So the cost of a
 * token does not grow with the text, and a decoder that changes spaces between tokens gives the spaces of the whole
 * text.
 */
public final class TextStream {
    /** What a decoder writes for bytes that are not a whole character. */
    private static final String INCOMPLETE = "\uFFFD";

    private final Tokenizer tokenizer;
    private final List<String> stops;
    private final StringBuilder text = new StringBuilder();

    private int[] ids;
    private int count;
    /** The text of ids before {@code read} is in {@link #text}. Decoding begins at {@code begin}. */
    private int begin;

    private int read;
    private int given;
    private boolean isStopped;

    /** A text after a prompt. It ends before the first of {@code stops} that it contains. */
    public TextStream(Tokenizer tokenizer, int[] prompt, List<String> stops) {
        this.tokenizer = tokenizer;
        this.stops = List.copyOf(stops);
        ids = prompt.clone();
        count = prompt.length;
        read = prompt.length;
    }

    /** Adds a token. Returns the text that became final since the last call; it may be empty. */
    public String add(int id) {
        if (isStopped) {
            return "";
        }
        if (count == ids.length) {
            ids = Arrays.copyOf(ids, Math.max(16, 2 * count));
        }
        ids[count++] = id;
        String whole = tokenizer.decode(Arrays.copyOfRange(ids, begin, count));
        if (!whole.endsWith(INCOMPLETE)) {
            take(whole);
        }
        return give(isStopped ? text.length() : text.length() - heldBack());
    }

    /** Ends the text, and returns what was held back. */
    public String end() {
        if (!isStopped && read < count) {
            take(tokenizer.decode(Arrays.copyOfRange(ids, begin, count)));
        }
        return give(text.length());
    }

    /** Whether the text ended at a stop string. */
    public boolean isStopped() {
        return isStopped;
    }

    /** The text so far, without the prompt and without a stop string. */
    public String text() {
        return text.toString();
    }

    private void take(String whole) {
        String known = tokenizer.decode(Arrays.copyOfRange(ids, begin, read));
        if (whole.length() > known.length()) {
            text.append(whole, known.length(), whole.length());
            begin = read;
            read = count;
        }
        int first = stops.stream()
                .mapToInt(stop -> text.indexOf(stop, Math.max(0, given)))
                .filter(at -> at >= 0)
                .min()
                .orElse(-1);
        if (first >= 0) {
            text.setLength(first);
            isStopped = true;
        }
    }

    /** The length of the longest end of the text with which a stop string begins. */
    private int heldBack() {
        int longest = 0;
        for (String stop : stops) {
            for (int length = Math.min(stop.length() - 1, text.length() - given); length > longest; length--) {
                if (stop.startsWith(text.substring(text.length() - length))) {
                    longest = length;
                }
            }
        }
        return longest;
    }

    private String give(int end) {
        String piece = text.substring(given, end);
        given = end;
        return piece;
    }
}
