package org.dpo4j.train;

import java.util.List;
import java.util.Locale;
import java.util.function.IntFunction;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;

/**
 * The rows of each optimizer step. Steps are counted as in transformers' {@code Trainer}: an epoch has {@code
 * ceil(micro-batches / accumulation)} steps. The last step and the last micro-batch of an epoch may be smaller. A run
 * has {@code ceil(epochs * steps per epoch)} steps, or {@code max_steps} if that is given. With {@code
 * max_tokens_per_batch}, epochs differ in their numbers of micro-batches and so of steps.
 */
final class Steps {
    /** Limits of a memory plan. Of shuffled micro-batches, a later one is hardly ever larger than all of these. */
    private static final int MAX_PLANNED_STEPS = 1 << 17;

    private static final int MAX_PLANNED_MICRO_BATCHES = 1 << 20;
    private static final int MAX_STEPS = 1_000_000_000;

    private final int rows;
    private final int batch;
    private final int accumulation;
    private final @Nullable Integer maxTokens;
    private final IntFunction<EpochBatches> batches;
    private final StepCounts counts;
    private final int total;
    private int currentEpoch = -1;
    private @Nullable EpochBatches current;

    /**
     * The steps of a run.
     *
     * @param tokens tokens of each row, as {@code max_tokens_per_batch} and {@code group_by_length} count them
     */
    Steps(TrainOptions options, int[] tokens) {
        this(options, tokens, RowOrder.find(options, tokens));
    }

    /** {@code order} maps an epoch, counted from 0, to its rows in the order in which they are read. */
    Steps(TrainOptions options, int[] tokens, IntFunction<int[]> order) {
        StepOptions step = options.step();
        this.rows = tokens.length;
        this.batch = step.perDeviceTrainBatchSize;
        this.accumulation = step.gradientAccumulationSteps;
        this.maxTokens = step.maxTokensPerBatch;
        if (maxTokens == null) {
            int perEpoch = EpochBatches.ceilDiv(EpochBatches.ceilDiv(rows, batch), accumulation);
            batches = epoch -> EpochBatches.byRows(order.apply(epoch), batch, accumulation);
            counts = new StepCounts.Equal(perEpoch);
        } else {
            int budget = maxTokens;
            requireFits(tokens, budget);
            batches = epoch -> EpochBatches.byTokens(order.apply(epoch), tokens, batch, budget, accumulation);
            counts = new StepCounts.Counted(epoch -> batches.apply(epoch).steps());
        }
        this.total = step.maxSteps > 0 ? step.maxSteps : totalOf(step.numTrainEpochs);
    }

    private static void requireFits(int[] tokens, int budget) {
        int longest = IntStream.of(tokens).max().orElse(0);
        if (longest > budget) {
            throw new Dpo4jException(String.format(
                    Locale.ROOT,
                    "max_tokens_per_batch is %,d but the longest row has %,d tokens; set it to at least that, or lower"
                            + " max_length",
                    budget,
                    longest));
        }
    }

    /** {@code ceil(epochs * steps per epoch)}, where the last epoch may be a fraction. */
    private int totalOf(double epochs) {
        int atLeast = EpochBatches.ceilDiv(EpochBatches.ceilDiv(rows, batch), accumulation); // a budget only makes more
        int steps = checked(Math.ceil(epochs * atLeast), epochs, atLeast);
        if (maxTokens == null) {
            return steps;
        }
        int whole = (int) epochs;
        long first = counts.firstStep(whole);
        double rest = epochs == whole ? 0 : Math.ceil((epochs - whole) * (counts.firstStep(whole + 1) - first));
        return checked(first + rest, epochs, atLeast);
    }

    /** The number as an integer. Throws if it is too large. */
    private static int checked(double steps, double epochs, int perEpoch) {
        if (steps > MAX_STEPS) {
            throw new Dpo4jException(String.format(
                    Locale.ROOT,
                    "num_train_epochs is %s, which makes %,.0f steps at %,d per epoch; at most %,d are supported,"
                            + " lower it",
                    epochs,
                    steps,
                    perEpoch,
                    MAX_STEPS));
        }
        return (int) steps;
    }

    /** Whether step {@code done}, counted from 1, is the last of an epoch. */
    boolean isEndOfEpoch(int done) {
        return counts.firstStep(counts.epochOf(done - 1) + 1) == done;
    }

    /** Number of optimizer steps of the run. */
    int total() {
        return total;
    }

    /** Epochs done after {@code done} steps, with a fraction. */
    double epoch(int done) {
        int epoch = done == 0 ? 0 : counts.epochOf(done - 1);
        long first = counts.firstStep(epoch);
        return epoch + (double) (done - first) / (counts.firstStep(epoch + 1) - first);
    }

    /** The micro-batches of step {@code step}, counted from 0, as row numbers. */
    List<int[]> microBatches(int step) {
        int epoch = counts.epochOf(step);
        return batches(epoch).microBatches((int) (step - counts.firstStep(epoch)));
    }

    private EpochBatches batches(int epoch) {
        EpochBatches found = current;
        if (found == null || currentEpoch != epoch) {
            found = batches.apply(epoch);
            current = found;
            currentEpoch = epoch;
        }
        return found;
    }

    /** The rows that the steps read, in ascending order. */
    int[] rowsRead() {
        if (total >= counts.firstStep(1)) {
            return IntStream.range(0, rows).toArray();
        }
        EpochBatches first = batches(0);
        return IntStream.of(first.order()).limit(first.rowsOf(total)).sorted().toArray();
    }

    /**
     * The micro-batches of a memory plan: those of all steps, but of at most the first {@value #MAX_PLANNED_STEPS}
     * steps, and at most {@value #MAX_PLANNED_MICRO_BATCHES}.
     */
    Stream<int[]> microBatches() {
        return IntStream.range(0, Math.min(total, MAX_PLANNED_STEPS))
                .boxed()
                .flatMap(step -> microBatches(step).stream())
                .limit(MAX_PLANNED_MICRO_BATCHES);
    }

    /** One line for a run header. */
    @Override
    public String toString() {
        return String.format(
                Locale.ROOT,
                "%,d of %s%,d rows (%,d x %,d)%s, %,.2f epochs",
                total,
                maxTokens == null ? "" : "at most ",
                (long) batch * accumulation,
                batch,
                accumulation,
                maxTokens == null ? "" : String.format(Locale.ROOT, " and %,d tokens per micro-batch", maxTokens),
                epoch(total));
    }
}
