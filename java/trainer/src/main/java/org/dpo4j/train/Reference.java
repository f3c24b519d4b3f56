package org.dpo4j.train;

import org.dpo4j.train.checkpoint.SavedState;

/** Where a run reads the log-probs of its reference. */
interface Reference extends AutoCloseable {

    /** For an objective without a reference. */
    Reference NONE = (rows, host) -> new Sums() {
        @Override
        public void prepare(int[] batch) {
            throw new IllegalStateException("this run has no reference");
        }

        @Override
        public void copyTo(long address, int first, int count) {
            prepare(new int[0]);
        }
    };

    /** Log-probs of the rows of one data set. */
    interface Sums {
        /** Finds or queues the log-probs of these rows. Those of an earlier batch, of any data set, are forgotten. */
        void prepare(int[] batch);

        /** Queues a copy of some sums of the batch to a device address. */
        void copyTo(long address, int first, int count);
    }

    /**
     * The log-probs of a data set.
     *
     * @param rows number of the data set in {@link Objective#referenceRows}
     * @param host a buffer for the sums of a batch
     */
    Sums sums(int rows, HostBuffer host);

    /** Called after the optimizer has queued step {@code step}, counted from 1. */
    default void afterStep(int step) {}

    /** Lists what a checkpoint stores. */
    default void state(SavedState saved) {}

    @Override
    default void close() {}
}
