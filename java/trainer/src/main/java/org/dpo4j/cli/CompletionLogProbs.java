package org.dpo4j.cli;

import java.util.Arrays;
import java.util.List;
import org.dpo4j.cli.CompletionRows.Pass;
import org.dpo4j.cli.CompletionRows.Scored;
import org.dpo4j.model.Model;

/**
 * Log-probs of all completions of a data set under one model, in the order of its rows; of a pair, chosen comes first.
 *
 * @param sums for each completion, over its tokens
 * @param tokenCounts for each completion
 * @param tokens for each completion, the log-prob of each token; empty if not wanted
 */
record CompletionLogProbs(float[] sums, int[] tokenCounts, List<float[]> tokens) {

    /** Computes the log-probs under a model. */
    static <T> CompletionLogProbs compute(CompletionRows<T> kind, List<T> rows, Model model, Pass pass) {
        Builder builder = new Builder(rows.size() * kind.sides().size(), pass.hasTokens());
        kind.score(rows, model, pass, builder::add);
        return new CompletionLogProbs(builder.sums, builder.tokenCounts, List.of(builder.tokens));
    }

    /** The same completions with all log-probs 0, which leaves the policy's log-probs as they are. */
    CompletionLogProbs zeros() {
        return new CompletionLogProbs(
                new float[sums.length],
                tokenCounts,
                tokens.stream().map(each -> new float[each.length]).toList());
    }

    private static final class Builder {
        private final float[] sums;
        private final int[] tokenCounts;
        private final float[][] tokens;
        private int count;

        Builder(int completions, boolean hasTokens) {
            sums = new float[completions];
            tokenCounts = new int[completions];
            tokens = new float[hasTokens ? completions : 0][];
        }

        void add(Scored<?> scored) {
            float[] logProbs = scored.tokens();
            for (int i = 0; i < scored.sums().length; i++, count++) {
                sums[count] = scored.sums()[i];
                tokenCounts[count] = scored.offsets()[i + 1] - scored.offsets()[i];
                if (logProbs != null) {
                    tokens[count] = Arrays.copyOfRange(logProbs, scored.offsets()[i], scored.offsets()[i + 1]);
                }
            }
        }
    }
}
