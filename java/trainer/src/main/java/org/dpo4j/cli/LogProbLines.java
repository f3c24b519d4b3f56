package org.dpo4j.cli;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.PrintStream;
import java.util.Arrays;
import java.util.List;
import java.util.function.BiFunction;
import java.util.function.Function;
import java.util.function.ToIntFunction;
import org.dpo4j.data.PackedBatch;
import org.dpo4j.data.PairLayout;
import org.dpo4j.data.PreferencePair;
import org.dpo4j.data.Sequence;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.model.CompletionSums;
import org.dpo4j.model.LogProbs;
import org.dpo4j.model.Model;
import org.dpo4j.model.ScoringModel;
import org.dpo4j.model.WeightCheck;
import org.dpo4j.model.family.Architecture;
import org.jspecify.annotations.Nullable;

/**
 * Computes log-probs of rows of one kind (pairs or sequences) and writes them as JSON lines.
 *
 * @param row number of a row in its file
 * @param length tokens of the row's longest sequence
 * @param pack packs rows into a batch for a model
 * @param sides for each completion, the prefix of its keys
 * @param ids token ids of the prompt, then of each completion, then of the second completion's prompt if it is another
 * @param idNames their keys
 */
record LogProbLines<T>(
        ToIntFunction<T> row,
        ToIntFunction<T> length,
        BiFunction<List<T>, Architecture, PackedBatch> pack,
        List<String> sides,
        Function<T, List<int[]>> ids,
        List<String> idNames) {

    static final LogProbLines<PreferencePair> PAIRS = new LogProbLines<>(
            PreferencePair::row,
            PreferencePair::length,
            (pairs, model) -> PackedBatch.pairs(pairs, new PairLayout(true, model.shortLength())),
            List.of("chosen_", "rejected_"),
            pair -> pair.hasSharedPrompt()
                    ? List.of(pair.prompt(), pair.chosen(), pair.rejected())
                    : List.of(pair.prompt(), pair.chosen(), pair.rejected(), pair.rejectedPrompt()),
            List.of("prompt_ids", "chosen_ids", "rejected_ids", "rejected_prompt_ids"));

    static final LogProbLines<Sequence> SEQUENCES = new LogProbLines<>(
            Sequence::row,
            Sequence::length,
            (sequences, model) -> PackedBatch.sequences(sequences),
            List.of(""),
            sequence -> List.of(sequence.prompt(), sequence.completion()),
            List.of("prompt_ids", "completion_ids"));

    /** Optional keys of a line. It always has sums and token counts. */
    record Columns(boolean hasTokenLogProbs, boolean hasIds) {}

    private static final JsonMapper JSON = new JsonMapper();

    /**
     * Writes one line per row. A batch has at most {@code batchTokens} tokens, but at least one row. Throws, naming the
     * row of {@code source}, if a log-prob is not finite.
     */
    void write(String source, List<T> rows, Model model, int batchTokens, Columns columns, PrintStream out) {
        try (ScoringModel language = new ScoringModel(model, CompletionSums.PLAIN)) {
            for (int begin = 0, end; begin < rows.size(); begin = end) {
                long tokens = 0;
                for (end = begin; end < rows.size(); end++) {
                    tokens += (long) sides.size() * length.applyAsInt(rows.get(end));
                    if (end > begin && tokens > batchTokens) {
                        break;
                    }
                }
                writeBatch(source, rows.subList(begin, end), language, columns, out);
            }
        }
    }

    private void writeBatch(String source, List<T> rows, ScoringModel language, Columns columns, PrintStream out) {
        Device device = language.model().device();
        PackedBatch batch = pack.apply(rows, language.model().architecture());
        LogProbs logProbs = language.forward(batch);
        float[] sums = device.downloadFloats(logProbs.sums(), batch.completions());
        float @Nullable [] tokens =
                columns.hasTokenLogProbs() ? device.downloadFloats(logProbs.tokens(), batch.tokens()) : null;
        for (int i = 0; i < sums.length; i++) {
            if (!Float.isFinite(sums[i])) {
                String side = sides.get(i % sides.size()).replace('_', ' ');
                throw new Dpo4jException(source + " row " + row.applyAsInt(rows.get(i / sides.size()))
                        + ": the log-prob of the " + side + "completion is " + sums[i] + "; "
                        + WeightCheck.explain(language.model().parameters()));
            }
        }
        for (int i = 0; i < rows.size(); i++) {
            ObjectNode line = line(row.applyAsInt(rows.get(i)), batch.offsets(), i * sides.size(), sums, tokens);
            if (columns.hasIds()) {
                putIds(rows.get(i), line);
            }
            out.println(line);
        }
    }

    private void putIds(T values, ObjectNode line) {
        List<int[]> parts = ids.apply(values);
        for (int part = 0; part < parts.size(); part++) {
            Arrays.stream(parts.get(part)).forEach(line.putArray(idNames.get(part))::add);
        }
    }

    private ObjectNode line(int number, int[] offsets, int first, float[] sums, float @Nullable [] tokens) {
        ObjectNode line = JSON.createObjectNode().put("row", number);
        for (int side = 0; side < sides.size(); side++) {
            line.put(sides.get(side) + "logps", sums[first + side]);
        }
        for (int side = 0; side < sides.size(); side++) {
            line.put(sides.get(side) + "tokens", offsets[first + side + 1] - offsets[first + side]);
        }
        if (tokens != null) {
            for (int side = 0; side < sides.size(); side++) {
                ArrayNode values = line.putArray(sides.get(side) + "token_logps");
                for (int i = offsets[first + side]; i < offsets[first + side + 1]; i++) {
                    values.add(tokens[i]);
                }
            }
        }
        return line;
    }
}
