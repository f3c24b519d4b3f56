package org.dpo4j.train;

import java.util.List;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.decoder.CountStep;
import org.dpo4j.kernels.decoder.WeightUpdate;
import org.dpo4j.model.Parameters;

/**
 * How an optimizer updates weights, and what it keeps between steps. Matrices have weight decay, vectors have none, as in
 * transformers' Trainer.
 */
sealed interface OptimizerRule permits AdamWRule, AdamW8bitRule, SgdRule, RmsPropRule, LionRule {

    /** What the state is called in a run header: {@code AdamW's moments}. */
    String stateName();

    /** The arrays of the state. */
    List<StateArray> arrays();

    /** The bias corrections that the update reads, to be written at {@code address}, after the learning rate. */
    default CountStep.Corrections corrections(long address) {
        return CountStep.Corrections.NONE;
    }

    /**
     * Queues the update of all weights.
     *
     * @param arrays addresses of {@link #arrays}
     */
    void queue(Weights weights, long[] arrays);

    /** The weights that are updated. */
    interface Weights {
        Device device();

        /** Device address of the number of steps that were applied, this one included, an i32. */
        long steps();

        /** The weights {@code [begin, end)} with their gradients. {@code begin} is a multiple of 128. */
        WeightUpdate update(long begin, long end);
    }

    /** A range of weights that have the same weight decay. */
    record Range(long begin, long end, double weightDecay) {
        /** The matrices, then the vectors. */
        static List<Range> all(Parameters parameters, double weightDecay) {
            return List.of(
                    new Range(0, parameters.decayCount(), weightDecay),
                    new Range(parameters.decayCount(), parameters.count(), 0));
        }

        /** The address of the range's first element in an array of f32; 0 if there is no array. */
        long at(long array) {
            return array == 0 ? 0 : array + Float.BYTES * begin;
        }
    }
}
