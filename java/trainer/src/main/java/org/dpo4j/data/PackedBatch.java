package org.dpo4j.data;

import java.util.Arrays;
import java.util.List;
import org.dpo4j.kernels.decoder.Segment;

/**
 * Token sequences without padding, as the decoder reads them. A pair is {@code [prompt | chosen | rejected]} with the prompt once; the last token of
 * a completion is only ever a target, so it has no row.
 *
 * @param ids token of each row
 * @param positions rotary position of each row; both completions continue their prompt's
 * @param segments who attends to whom
 * @param hiddenRows for each completion token, in order, the row whose hidden state predicts it. The last prompt row predicts the first token of
 *     both completions, so it stands here twice
 * @param targets the completion tokens themselves
 * @param offsets completion {@code s} owns the targets {@code [offsets[s], offsets[s+1])}. For pairs: chosen, rejected, chosen, rejected, ...
 */
public record PackedBatch(
        int[] ids, int[] positions, List<Segment> segments, int[] hiddenRows, int[] targets, int[] offsets) {

    /**
     * Pairs, each with its prompt once ({@code sharePrefix}), or as two sequences {@code [prompt | chosen] [prompt | rejected]}. A completion of one
     * token has no segment: the prompt's last row predicts it.
     */
    public static PackedBatch pairs(List<PreferencePair> pairs, boolean sharePrefix) {
        return sharePrefix ? Packing.sharedPairs(pairs) : Packing.plainPairs(pairs);
    }

    /** Sequences, each one completion. */
    public static PackedBatch sequences(List<Sequence> sequences) {
        return Packing.sequences(sequences);
    }

    /** Rows the decoder runs on. */
    public int rows() {
        return ids.length;
    }

    /** Completion tokens, each with one log-prob. */
    public int tokens() {
        return targets.length;
    }

    /** Tokens of each completion. */
    public int[] lengths() {
        int[] lengths = new int[completions()];
        Arrays.setAll(lengths, s -> offsets[s + 1] - offsets[s]);
        return lengths;
    }

    /** Completions: two a pair. */
    public int completions() {
        return offsets.length - 1;
    }
}
