package org.dpo4j.data;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.dpo4j.kernels.decoder.Segment;
import org.jspecify.annotations.Nullable;

/**
 * Token sequences packed for the decoder, one after another without padding. A pair is {@code [prompt | chosen |
 * rejected]}, with the prompt once. The last token of a completion is only a target, so it has no row.
 *
 * @param ids token of each row
 * @param positions rotary position of each row; both completions continue the positions of their prompt
 * @param segments which rows attend to which
 * @param sequenceLengths for each segment, the tokens of the sequence to which it belongs. A last token that is only a target
 *     counts. For a shared prompt, it is the longer sequence. Only models with a {@link PairLayout#shortLength} read it
 * @param segmentCompletions for each segment, the completion to whose sequence it belongs; of a shared prompt, the first
 * @param hiddenRows for each target, in order, the row whose hidden state predicts it. The last row of a
 *     prompt predicts the first token of both completions, so it occurs twice
 * @param targets the completion tokens that are learnt
 * @param offsets completion {@code s} owns the targets {@code [offsets[s], offsets[s+1])}. For pairs: chosen, rejected,
 *     chosen, rejected, ...
 */
public record PackedBatch(
        int[] ids,
        int[] positions,
        List<Segment> segments,
        int[] sequenceLengths,
        int[] segmentCompletions,
        int[] hiddenRows,
        int[] targets,
        int[] offsets) {

    /** Each segment is a sequence of one completion, and ends with its last row. */
    public PackedBatch(
            int[] ids, int[] positions, List<Segment> segments, int[] hiddenRows, int[] targets, int[] offsets) {
        this(ids, positions, segments, keys(segments), hiddenRows, targets, offsets);
    }

    /** Each segment is a sequence of one completion. */
    public PackedBatch(
            int[] ids,
            int[] positions,
            List<Segment> segments,
            int[] sequenceLengths,
            int[] hiddenRows,
            int[] targets,
            int[] offsets) {
        this(
                ids,
                positions,
                segments,
                sequenceLengths,
                IntStream.range(0, segments.size()).toArray(),
                hiddenRows,
                targets,
                offsets);
    }

    /** The keys of each segment's last query. */
    private static int[] keys(List<Segment> segments) {
        return segments.stream()
                .mapToInt(each -> each.prefixCount() + each.keyOffset() + each.queryCount())
                .toArray();
    }

    /**
     * Packs pairs, each with its prompt once, or as two sequences {@code [prompt | chosen] [prompt | rejected]}. A
     * completion of one token has no segment, because the prompt's last row predicts it.
     */
    public static PackedBatch pairs(List<PreferencePair> pairs, PairLayout layout) {
        return Packing.pairs(pairs, layout);
    }

    /** Packs pairs for a model whose rotary frequencies do not depend on the length of a sequence. */
    public static PackedBatch pairs(List<PreferencePair> pairs, boolean isPrefixShared) {
        return pairs(pairs, new PairLayout(isPrefixShared, Integer.MAX_VALUE));
    }

    /** Packs sequences. Each has one completion. */
    public static PackedBatch sequences(List<Sequence> sequences) {
        return Packing.sequences(sequences);
    }

    /** Packs unpaired rows. Each has one completion. */
    public static PackedBatch unpaired(List<UnpairedCompletion> rows) {
        return sequences(rows.stream().map(UnpairedCompletion::sequence).toList());
    }

    /** Query rows of the longest segment. */
    public int maxQueries() {
        return segments.stream().mapToInt(Segment::queryCount).max().orElse(0);
    }

    /** Maximum position + 1. */
    public int positionsEnd() {
        return Arrays.stream(positions).max().orElse(-1) + 1;
    }

    /** Rows of the decoder. */
    public int rows() {
        return ids.length;
    }

    /** Targets, each with one log-prob. */
    public int tokens() {
        return targets.length;
    }

    /** Targets of each completion. */
    public int[] lengths() {
        int[] lengths = new int[completions()];
        Arrays.setAll(lengths, s -> offsets[s + 1] - offsets[s]);
        return lengths;
    }

    /** Number of completions; two per pair. */
    public int completions() {
        return offsets.length - 1;
    }

    /** Places token sequences one after another. The constructor takes the number of rows, to allocate arrays once. */
    private static final class Packing {
        private final int[] ids;
        private final int[] positions;
        private final int[] hiddenRows;
        private final int[] targets;
        private final int[] offsets;
        private final List<Segment> segments = new ArrayList<>();
        private final List<Integer> lengths = new ArrayList<>();
        private final List<Integer> completions = new ArrayList<>();
        private int row;
        private int target;
        private int completion;

        private Packing(int rows, int tokens, int completions) {
            ids = new int[rows];
            positions = new int[rows];
            hiddenRows = new int[tokens];
            targets = new int[tokens];
            offsets = new int[completions + 1];
        }

        /** {@code [prompt | chosen | rejected]} for each pair with its prompt once; both completions attend to the prompt. */
        static PackedBatch pairs(List<PreferencePair> pairs, PairLayout layout) {
            int rows = 0;
            int tokens = 0;
            for (PreferencePair pair : pairs) {
                rows += layout.tokens(pair.outline()) - 2;
                tokens += pair.chosen().length + pair.rejected().length;
            }
            Packing packing = new Packing(rows, tokens, 2 * pairs.size());
            for (PreferencePair pair : pairs) {
                if (layout.isShared(pair.outline())) {
                    packing.addShared(pair);
                } else {
                    packing.addSequence(pair.prompt(), pair.chosen(), null);
                    packing.addSequence(pair.rejectedPrompt(), pair.rejected(), null);
                }
            }
            return packing.batch();
        }

        /** {@code [prompt | completion]} per sequence. */
        static PackedBatch sequences(List<Sequence> sequences) {
            int rows = 0;
            int tokens = 0;
            for (Sequence sequence : sequences) {
                rows += sequence.length() - 1;
                tokens += sequence.targetCount();
            }
            Packing packing = new Packing(rows, tokens, sequences.size());
            sequences.forEach(
                    sequence -> packing.addSequence(sequence.prompt(), sequence.completion(), sequence.targets()));
            return packing.batch();
        }

        private void addShared(PreferencePair pair) {
            int length = pair.prompt().length;
            int dependents = (pair.chosen().length > 1 ? 1 : 0) + (pair.rejected().length > 1 ? 1 : 0);
            Segment prompt = Segment.plain(row, length, dependents);
            add(prompt, pair.length());
            addRows(pair.prompt(), length, 0);
            int last = row - 1;
            addCompletion(prompt, last, pair.chosen());
            addCompletion(prompt, last, pair.rejected());
        }

        private void addCompletion(Segment prompt, int lastOfPrompt, int[] tokens) {
            int begin = row;
            int count = tokens.length - 1; // the last token is only a target
            if (count > 0) {
                add(Segment.withPrefix(prompt, row, count), prompt.queryCount() + tokens.length);
                addRows(tokens, count, prompt.queryCount());
            }
            addTargets(tokens, null, lastOfPrompt, begin);
        }

        private void addSequence(int[] prompt, int[] completion, boolean @Nullable [] isTarget) {
            int length = prompt.length;
            int count = completion.length - 1;
            add(Segment.plain(row, length + count, 0), length + completion.length);
            addRows(prompt, length, 0);
            addTargets(completion, isTarget, row - 1, row);
            addRows(completion, count, length);
        }

        private void add(Segment segment, int sequenceLength) {
            segments.add(segment);
            lengths.add(sequenceLength);
            completions.add(completion);
        }

        private void addRows(int[] tokens, int count, int position) {
            for (int i = 0; i < count; i++) {
                ids[row] = tokens[i];
                positions[row] = position + i;
                row++;
            }
        }

        /**
         * Adds the targets of a completion. The prompt's last row predicts the first token; the completion's rows from
         * {@code begin} on predict the others. A token that {@code isTarget} leaves out is read, but not learnt.
         */
        private void addTargets(int[] tokens, boolean @Nullable [] isTarget, int lastOfPrompt, int begin) {
            for (int i = 0; i < tokens.length; i++) {
                if (isTarget == null || isTarget[i]) {
                    hiddenRows[target] = i == 0 ? lastOfPrompt : begin + i - 1;
                    targets[target] = tokens[i];
                    target++;
                }
            }
            completion++;
            offsets[completion] = target;
        }

        private PackedBatch batch() {
            return new PackedBatch(
                    ids,
                    positions,
                    List.copyOf(segments),
                    ints(lengths),
                    ints(completions),
                    hiddenRows,
                    targets,
                    offsets);
        }

        private static int[] ints(List<Integer> values) {
            return values.stream().mapToInt(Integer::intValue).toArray();
        }
    }
}
