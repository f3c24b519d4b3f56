package org.dpo4j.data;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.IntStream;
import org.dpo4j.data.Truncation.Kept;
import org.dpo4j.data.row.Content;
import org.dpo4j.data.row.Encoder;
import org.dpo4j.data.row.Encoder.Joint;
import org.dpo4j.data.row.Example;
import org.dpo4j.data.row.RowFormat;
import org.dpo4j.data.row.RowFormat.Kind;
import org.dpo4j.data.row.RowFormats;
import org.dpo4j.data.source.BadRow;
import org.dpo4j.data.source.Rows;
import org.jspecify.annotations.Nullable;

/**
 * Converts rows of a file to token ids: finds the format, reads the values, encodes and cuts them. A result depends only
 * on its row, so several threads may convert at once. {@link DatasetReader} collects the results in the order of rows.
 */
final class RowConverter<T> {

    private interface Maker<T> {
        T make(int row, Example example, List<Side> sides);
    }

    /** A completion with its prompt, cut; the whole completion; and which tokens of it are learnt, null if all are. */
    private record Side(int[] prompt, int[] completion, int[] whole, boolean @Nullable [] targets) {}

    private final ReadOptions options;
    private final Set<Kind> wanted;
    private final Set<Kind> named;
    private final Maker<T> maker;
    private final Function<T, Fingerprint> fingerprint;
    private final Encoder encoder;
    private final boolean isWeightRefused;

    /**
     * {@code wanted}: what rows may be. {@code named}: what the error of an unknown row asks for. {@code isWeightRefused}:
     * whether rows must not have weights, which no format of theirs reads.
     */
    private RowConverter(
            ReadOptions options,
            Set<Kind> wanted,
            Set<Kind> named,
            Maker<T> maker,
            Function<T, Fingerprint> fingerprint,
            boolean isWeightRefused) {
        this.options = options;
        this.wanted = wanted;
        this.named = named;
        this.maker = maker;
        this.fingerprint = fingerprint;
        this.isWeightRefused = isWeightRefused;
        this.encoder = new Encoder(options.tokenizer(), options.vocabularySize(), options.rows());
    }

    static RowConverter<PreferencePair> pairs(ReadOptions options, Set<Kind> named) {
        return new RowConverter<>(options, Set.of(Kind.PAIR), named, RowConverter::pair, Fingerprint::pair, false);
    }

    /** Sequences to learn. All their tokens count alike, so a row with a weight is refused. */
    static RowConverter<Sequence> sequences(ReadOptions options, Set<Kind> named) {
        return sequences(options, named, true);
    }

    /** Sequences whose log-probs are computed. A weight does not change these, so it is not read. */
    static RowConverter<Sequence> scoredSequences(ReadOptions options, Set<Kind> named) {
        return sequences(options, named, false);
    }

    private static RowConverter<Sequence> sequences(ReadOptions options, Set<Kind> named, boolean isWeightRefused) {
        return new RowConverter<>(
                options, Set.of(Kind.SINGLE), named, RowConverter::sequence, Fingerprint::sequence, isWeightRefused);
    }

    static RowConverter<UnpairedCompletion> judged(ReadOptions options, Set<Kind> named) {
        return new RowConverter<>(
                options,
                Set.of(Kind.JUDGED),
                named,
                RowConverter::judged,
                row -> Fingerprint.judged(row.prompt(), row.completion(), row.isDesirable()),
                false);
    }

    /** Whether this kind can use rows of the format. */
    boolean isWanted(@Nullable RowFormat format) {
        return format != null && wanted.contains(format.kind());
    }

    ConvertedRow<T> convert(Rows.Row row) {
        ObjectNode values = options.rows().columns().apply(row.values());
        RowFormat format = null;
        try {
            format = RowFormats.find(values, named);
            RowFormats.checkWanted(format, wanted);
            return convert(row.number(), values, format);
        } catch (BadRow bad) {
            return ConvertedRow.bad(row.number(), values, format, bad);
        }
    }

    private ConvertedRow<T> convert(int row, ObjectNode values, RowFormat format) throws BadRow {
        checkNoWeight(values);
        List<T> used = new ArrayList<>();
        boolean isPromptMerged = false;
        Set<String> cutParts = new LinkedHashSet<>();
        boolean hasEmptyAnswer = false;
        for (Example example : format.read(values)) {
            Joint joint = encoder.encode(example.content());
            checkNotEmpty(joint);
            if (example.content().isWhole()) {
                options.truncation().checkWhole(joint.prompt().length + joint.completions()[0].length);
            }
            Set<String> cut = new LinkedHashSet<>();
            List<Side> sides = cut(joint, cut);
            checkReference(example, !cut.isEmpty());
            checkWeight(example);
            used.add(maker.make(row, example, sides));
            isPromptMerged |= joint.isPromptMerged();
            cutParts.addAll(cut);
            hasEmptyAnswer |= Encoder.hasEmptyAnswer(example.content());
        }
        List<Fingerprint> fingerprints = used.stream().map(fingerprint).toList();
        return new ConvertedRow<>(
                row, values, format, List.copyOf(used), fingerprints, isPromptMerged, cutParts, hasEmptyAnswer, null);
    }

    private static void checkNotEmpty(Joint joint) throws BadRow {
        int[][] completions = joint.completions();
        for (int i = 0; i < completions.length; i++) {
            Encoder.checkNotEmpty(joint.prompt(), completions[i], Content.completionName(i, completions.length));
        }
    }

    /** The completions, each with its prompt, cut. Adds the names of the parts that were cut. */
    private List<Side> cut(Joint joint, Set<String> cutParts) throws BadRow {
        int[][] completions = joint.completions();
        List<Integer> lengths =
                Arrays.stream(completions).map(each -> each.length).toList();
        List<String> names = IntStream.range(0, completions.length)
                .mapToObj(i -> Content.completionName(i, completions.length))
                .toList();
        List<Kept> kept = options.truncation().keep(joint.prompt().length, lengths, names);
        List<Side> sides = new ArrayList<>();
        for (int i = 0; i < completions.length; i++) {
            sides.add(new Side(
                    kept.get(i).prompt(joint.prompt(), completions[i]),
                    options.truncation().completion(kept.get(i), completions[i]),
                    completions[i],
                    targets(kept.get(i), joint)));
            if (kept.get(i).isPromptCut(joint.prompt().length)) {
                cutParts.add("prompt");
            }
            if (kept.get(i).isCompletionCut(completions[i].length)) {
                cutParts.add(names.get(i));
            }
        }
        return sides;
    }

    private static boolean @Nullable [] targets(Kept kept, Joint joint) throws BadRow {
        boolean[] all = joint.targets();
        if (all == null) {
            return null;
        }
        boolean[] targets = kept.targets(all);
        for (boolean isTarget : targets) {
            if (isTarget) {
                return targets;
            }
        }
        throw BadRow.leftOut(BadRow.Reason.NO_TARGETS, "what is left of it once it is cut has no token to learn");
    }

    private static void checkReference(Example example, boolean isCut) throws BadRow {
        if (isCut && example instanceof Example.Pair pair && !pair.reference().equals(Example.ReferenceSums.NONE)) {
            throw new BadRow(
                    BadRow.Reason.REFERENCE_OF_WHOLE_ROW,
                    "the row is cut, but its log-probs of the reference are those of the whole row; raise max_length, or"
                            + " leave their columns out");
        }
    }

    private void checkNoWeight(ObjectNode values) throws BadRow {
        JsonNode weight = values.path("weight");
        boolean hasWeight = values.hasNonNull("weight") && !(weight.isNumber() && weight.doubleValue() == 1);
        if (isWeightRefused && hasWeight) {
            throw new BadRow(
                    BadRow.Reason.UNKNOWN_FORMAT,
                    "it has a weight, but sft learns all tokens alike; leave the column weight out with column_map");
        }
    }

    private static void checkWeight(Example example) throws BadRow {
        if (example instanceof Example.Judged && example.weight() != 1) {
            throw new BadRow(
                    BadRow.Reason.UNKNOWN_FORMAT,
                    "weight is " + example.weight() + ", but judged completions have no weights of their own; leave the"
                            + " column out, or set desirable_weight and undesirable_weight");
        }
    }

    private static PreferencePair pair(int row, Example example, List<Side> sides) {
        Example.ReferenceSums reference =
                example instanceof Example.Pair pair ? pair.reference() : Example.ReferenceSums.NONE;
        return new PreferencePair(
                row,
                sides.get(0).prompt,
                sides.get(0).completion,
                sides.get(1).prompt,
                sides.get(1).completion,
                example.weight(),
                reference.chosen(),
                reference.rejected());
    }

    private static UnpairedCompletion judged(int row, Example example, List<Side> sides) {
        boolean isDesirable = example instanceof Example.Judged judged && judged.label();
        Side side = sides.get(0);
        return new UnpairedCompletion(row, side.prompt, side.completion, rest(side), isDesirable);
    }

    /** The end of a completion that was cut there; nothing if it was cut elsewhere. */
    private static int[] rest(Side side) {
        int kept = side.completion.length;
        boolean isStart = kept <= side.whole.length && Arrays.equals(side.completion, Arrays.copyOf(side.whole, kept));
        return isStart ? Arrays.copyOfRange(side.whole, kept, side.whole.length) : new int[0];
    }

    private static Sequence sequence(int row, Example example, List<Side> sides) {
        return new Sequence(row, sides.get(0).prompt, sides.get(0).completion, sides.get(0).targets);
    }
}
