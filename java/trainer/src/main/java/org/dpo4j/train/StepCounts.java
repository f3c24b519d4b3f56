package org.dpo4j.train;

import java.util.Arrays;
import java.util.function.IntUnaryOperator;

/** The numbers of steps of epochs. */
sealed interface StepCounts {

    /** The first step of an epoch. */
    long firstStep(int epoch);

    /** The epoch of a step. */
    int epochOf(int step);

    /** Every epoch has the same number. */
    record Equal(int perEpoch) implements StepCounts {
        @Override
        public long firstStep(int epoch) {
            return (long) epoch * perEpoch;
        }

        @Override
        public int epochOf(int step) {
            return step / perEpoch;
        }
    }

    /** The numbers differ. They are found out epoch by epoch, when they are needed. */
    final class Counted implements StepCounts {
        private final IntUnaryOperator stepsOfEpoch;
        private long[] firstSteps = {0};
        private int known = 1;

        /** {@code stepsOfEpoch} maps an epoch, counted from 0, to its number of steps, at least 1. */
        Counted(IntUnaryOperator stepsOfEpoch) {
            this.stepsOfEpoch = stepsOfEpoch;
        }

        @Override
        public long firstStep(int epoch) {
            while (known <= epoch) {
                if (known == firstSteps.length) {
                    firstSteps = Arrays.copyOf(firstSteps, 2 * known);
                }
                firstSteps[known] = firstSteps[known - 1] + stepsOfEpoch.applyAsInt(known - 1);
                known++;
            }
            return firstSteps[epoch];
        }

        @Override
        public int epochOf(int step) {
            while (firstSteps[known - 1] <= step) {
                firstStep(known);
            }
            int found = Arrays.binarySearch(firstSteps, 0, known, step);
            return found >= 0 ? found : -found - 2;
        }
    }
}
