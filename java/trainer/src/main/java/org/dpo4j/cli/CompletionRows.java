package org.dpo4j.cli;

import java.util.List;
import java.util.function.BiFunction;
import java.util.function.Consumer;
import java.util.function.IntFunction;
import java.util.function.ToIntFunction;
import org.dpo4j.data.PackedBatch;
import org.dpo4j.data.PairLayout;
import org.dpo4j.data.PreferencePair;
import org.dpo4j.data.Sequence;
import org.dpo4j.data.store.IndexedRows;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.model.CompletionSums;
import org.dpo4j.model.LogProbs;
import org.dpo4j.model.Model;
import org.dpo4j.model.ScoringModel;
import org.dpo4j.model.family.Architecture;
import org.jspecify.annotations.Nullable;

/**
 * How the completions of rows of one kind (pairs or sequences) are scored by a model.
 *
 * @param row number of a row in its file
 * @param length tokens of the row's longest sequence
 * @param pack packs rows into a batch for a model
 * @param sides for each completion, the prefix of its keys
 */
record CompletionRows<T>(
        ToIntFunction<T> row,
        ToIntFunction<T> length,
        BiFunction<List<T>, Architecture, PackedBatch> pack,
        List<String> sides) {

    static final CompletionRows<PreferencePair> PAIRS = new CompletionRows<>(
            PreferencePair::row,
            PreferencePair::length,
            (pairs, model) -> PackedBatch.pairs(pairs, new PairLayout(true, model.shortLength())),
            List.of("chosen_", "rejected_"));

    static final CompletionRows<Sequence> SEQUENCES = new CompletionRows<>(
            Sequence::row, Sequence::length, (sequences, model) -> PackedBatch.sequences(sequences), List.of(""));

    /**
     * What is computed.
     *
     * @param batchTokens maximum tokens of a batch, which has at least one row
     * @param hasTokens whether the log-prob of each token is wanted
     */
    record Pass(int batchTokens, boolean hasTokens) {}

    /**
     * Log-probs of the completions of consecutive rows.
     *
     * @param rows the rows
     * @param offsets completion {@code s} has the tokens {@code [offsets[s], offsets[s+1])}
     * @param sums for each completion
     * @param tokens for each token; null if not wanted
     */
    record Scored<T>(List<T> rows, int[] offsets, float[] sums, float @Nullable [] tokens) {}

    /** Computes the log-probs of all rows, in their order. Throws, naming the row, if one is not finite. */
    void score(List<T> rows, Model model, Pass pass, Consumer<Scored<T>> consumer) {
        try (ScoringModel language = new ScoringModel(model, CompletionSums.PLAIN)) {
            for (int begin = 0, end; begin < rows.size(); begin = end) {
                long tokens = 0;
                for (end = begin; end < rows.size(); end++) {
                    tokens += (long) sides.size() * length.applyAsInt(rows.get(end));
                    if (end > begin && tokens > pass.batchTokens) {
                        break;
                    }
                }
                int first = begin;
                consumer.accept(score(rows.subList(begin, end), i -> place(rows, first + i), language, pass));
            }
        }
    }

    private String place(List<T> rows, int index) {
        return IndexedRows.place(rows, index, row.applyAsInt(rows.get(index)));
    }

    private Scored<T> score(List<T> rows, IntFunction<String> place, ScoringModel language, Pass pass) {
        Device device = language.model().device();
        PackedBatch batch = pack.apply(rows, language.model().architecture());
        LogProbs logProbs = language.forward(batch);
        float[] sums = device.downloadFloats(logProbs.sums(), batch.completions());
        for (int i = 0; i < sums.length; i++) {
            if (!Float.isFinite(sums[i])) {
                String side = sides.get(i % sides.size()).replace('_', ' ');
                throw new Dpo4jException(place.apply(i / sides.size()) + ": the log-prob of the " + side
                        + "completion is " + sums[i] + "; "
                        + language.model().explainNotFinite());
            }
        }
        float @Nullable [] tokens = pass.hasTokens ? device.downloadFloats(logProbs.tokens(), batch.tokens()) : null;
        return new Scored<>(rows, batch.offsets(), sums, tokens);
    }
}
