package org.dpo4j.train;

import java.util.Arrays;
import java.util.Locale;
import org.dpo4j.kernels.head.HeadPlan;

/**
 * The line of the run header about matrix products with the LM head: three per training step. A fourth computes logits
 * again if they do not fit in memory until their gradient is known. A frozen head needs two.
 */
final class HeadProducts {
    private static final String THREE = "three matrix products per step";

    /** The line of a model whose head is frozen. */
    static final String FROZEN = "two matrix products per step, because the head is frozen";

    private HeadProducts() {}

    /** The line with how the head computes log-probs, if that is not from stored logits. */
    static String on(HeadPlan.Path path, String products) {
        return path == HeadPlan.Path.EXPONENTIALS
                ? products + "; the kernel lm_head_exponentials_sm90a stores exponentials and no logits"
                : products;
    }

    /**
     * For a loss whose gradient depends on one group of completions only.
     *
     * @param rows maximum rows of logits in memory
     * @param tokens completion tokens of each group
     * @param unit plural name of a group
     */
    static String ofGroups(int rows, int[] tokens, String unit) {
        long longer = Arrays.stream(tokens).filter(count -> count > rows).count();
        if (longer == 0) {
            return THREE;
        }
        return String.format(
                Locale.ROOT,
                "%s, but four for %,d of %,d %s: they have more completion tokens (up to %,d) than the %,d rows of"
                        + " logits that fit in memory",
                THREE,
                longer,
                tokens.length,
                unit,
                Arrays.stream(tokens).max().orElse(0),
                rows);
    }

    /**
     * For a loss whose gradient depends on the whole micro-batch.
     *
     * @param rows maximum rows of logits in memory
     * @param tokens completion tokens of each row
     * @param batch rows per micro-batch
     * @param loss its name
     */
    static String ofBatches(int rows, int[] tokens, int batch, String loss) {
        long max = Arrays.stream(tokens)
                .sorted()
                .skip(Math.max(0, tokens.length - batch))
                .asLongStream()
                .sum();
        if (max <= rows) {
            return THREE;
        }
        return String.format(
                Locale.ROOT,
                "%s, but four for micro-batches of more than %,d completion tokens (up to %,d), the rows of logits that"
                        + " fit in memory, because %s needs the whole micro-batch",
                THREE,
                rows,
                max,
                loss);
    }
}
