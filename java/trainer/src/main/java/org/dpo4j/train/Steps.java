package org.dpo4j.train;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.function.IntFunction;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.dpo4j.kernels.Dpo4jException;

/**
 * The rows of each optimizer step. Steps are counted as in transformers' {@code Trainer}: an epoch has {@code
 * ceil(micro-batches / accumulation)} steps. The last step and the last micro-batch of an epoch may be smaller. A run
 * has {@code ceil(epochs * steps per epoch)} steps, or {@code max_steps} if that is given.
 */
final class Steps {
    /** Limits of a memory plan. Of shuffled micro-batches, a later one is hardly ever larger than all of these. */
    private static final int MAX_PLANNED_STEPS = 1 << 17;

    private static final int MAX_PLANNED_MICRO_BATCHES = 1 << 20;
    private static final int MAX_STEPS = 1_000_000_000;

    private final int rows;
    private final int batch;
    private final int accumulation;
    private final int perEpoch;
    private final int total;
    private final IntFunction<int[]> order;
    private int orderedEpoch = -1;
    private int[] ordered = {};

    /** {@code order} maps an epoch, counted from 0, to its rows in the order in which they are read. */
    Steps(int rows, TrainOptions options, IntFunction<int[]> order) {
        this.rows = rows;
        this.batch = options.step().perDeviceTrainBatchSize;
        this.accumulation = options.step().gradientAccumulationSteps;
        this.perEpoch = ceilDiv(ceilDiv(rows, batch), accumulation);
        this.total = options.step().maxSteps > 0
                ? options.step().maxSteps
                : epochSteps(options.step().numTrainEpochs, perEpoch);
        this.order = order;
    }

    private static int epochSteps(double epochs, int perEpoch) {
        double steps = Math.ceil(epochs * perEpoch);
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

    /** Number of optimizer steps of the run. */
    int total() {
        return total;
    }

    /** Epochs done after {@code done} steps, with a fraction. */
    double epoch(int done) {
        return (double) done / perEpoch;
    }

    /** The micro-batches of step {@code step}, counted from 0, as row numbers. */
    List<int[]> microBatches(int step) {
        if (orderedEpoch != step / perEpoch) {
            orderedEpoch = step / perEpoch;
            ordered = order.apply(orderedEpoch);
        }
        long begin = (long) (step % perEpoch) * accumulation * batch;
        int end = (int) Math.min(rows, begin + (long) accumulation * batch);
        List<int[]> micro = new ArrayList<>();
        for (int at = (int) begin; at < end; at += batch) {
            micro.add(Arrays.copyOfRange(ordered, at, Math.min(end, at + batch)));
        }
        return micro;
    }

    /** The rows that the steps read, in ascending order. */
    int[] rowsRead() {
        if (total >= perEpoch) {
            return IntStream.range(0, rows).toArray();
        }
        int read = (int) Math.min(rows, (long) total * accumulation * batch);
        return IntStream.of(order.apply(0)).limit(read).sorted().toArray();
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
                "%,d of %,d rows (%,d x %,d), %,.2f epochs",
                total,
                (long) batch * accumulation,
                batch,
                accumulation,
                epoch(total));
    }

    private static int ceilDiv(int a, int b) {
        return (int) (((long) a + b - 1) / b);
    }
}
