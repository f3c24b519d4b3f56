package org.dpo4j.train;

import org.dpo4j.model.PassMemory;
import org.dpo4j.report.RunListener;
import org.jspecify.annotations.Nullable;

/**
 * How a run gets the log-probs of its reference, decided before the run header is shown and before the memory of the run
 * is allocated.
 */
interface ReferencePlan {

    /** Of an objective without a reference. */
    ReferencePlan NONE = new ReferencePlan() {
        @Override
        public @Nullable String fact() {
            return null;
        }

        @Override
        public Reference begin(RunListener listener) {
            return Reference.NONE;
        }
    };

    /** One line for the run header; null if there is no reference. */
    @Nullable
    String fact();

    /** SHA-256 of the reference's weights before the first step; null if none were read. */
    default @Nullable String weightsHash() {
        return null;
    }

    /** Device memory of its passes. */
    default PassMemory passes() {
        return PassMemory.NONE;
    }

    /** Device memory of a model beside the trained one. */
    default long modelBytes() {
        return 0;
    }

    /** Whether its passes and its model are there during training, not only before. */
    default boolean isKept() {
        return false;
    }

    /** Computes what must be computed before the first step. */
    Reference begin(RunListener listener);
}
