package org.dpo4j.train;

import java.util.Arrays;
import java.util.Locale;

/**
 * What a run header says of the matrix products with the head in a training step: three, and a fourth where logits do
 * not wait for their gradient in memory.
 */
final class HeadProducts {
    private static final String THREE = "three products a step";

    private HeadProducts() {}

    /**
     * Of a loss whose gradient is known a group at a time.
     *
     * @param rows of logits that there is memory for
     * @param tokens of each group's completions
     * @param unit what a group is, in the plural
     */
    static String ofGroups(int rows, int[] tokens, String unit) {
        long longer = Arrays.stream(tokens).filter(count -> count > rows).count();
        if (longer == 0) {
            return THREE;
        }
        return String.format(
                Locale.ROOT,
                "%s, but four for %,d of %,d %s, which have more completion tokens (up to %,d) than the %,d rows of the"
                        + " logits' memory",
                THREE,
                longer,
                tokens.length,
                unit,
                Arrays.stream(tokens).max().orElse(0),
                rows);
    }

    /**
     * Of a loss that looks at a whole micro-batch.
     *
     * @param rows of logits that there is memory for
     * @param tokens of each row's completions
     * @param batch rows of a micro-batch
     * @param who looks
     */
    static String ofBatches(int rows, int[] tokens, int batch, String who) {
        long most = Arrays.stream(tokens)
                .sorted()
                .skip(Math.max(0, tokens.length - batch))
                .asLongStream()
                .sum();
        if (most <= rows) {
            return THREE;
        }
        return String.format(
                Locale.ROOT,
                "%s, but four for micro-batches of more than %,d completion tokens (up to %,d), the rows of the logits'"
                        + " memory, since %s looks at the whole micro-batch",
                THREE,
                rows,
                most,
                who);
    }
}
