package org.dpo4j.kernels.head;

import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Dpo4jException;

/**
 * What log-probs of one head were seen to take by each {@link HeadPath}, in turns on one machine.
 *
 * @param processor {@link Device#processor}
 * @param vocabulary rows of the head's matrix
 * @param hidden its columns
 * @param dtype storage of matrix and hidden rows
 * @param rows hidden rows of a call
 * @param chunksMicroseconds of a call by {@link HeadPath#CHUNKS}, median
 * @param fusedMicroseconds by {@link HeadPath#FUSED}
 */
public record HeadTimes(
        String processor,
        long vocabulary,
        long hidden,
        DType dtype,
        long rows,
        double chunksMicroseconds,
        double fusedMicroseconds) {

    public HeadTimes {
        if (processor.isBlank() || processor.contains(",") || processor.contains("\n")) {
            throw new Dpo4jException("HeadTimes: processor is '" + processor + "', must be a name without commas");
        }
        above0("vocabulary", vocabulary, Long.MAX_VALUE);
        above0("hidden", hidden, Long.MAX_VALUE);
        above0("rows", rows, Long.MAX_VALUE);
        above0("chunksMicroseconds", chunksMicroseconds, Double.MAX_VALUE);
        above0("fusedMicroseconds", fusedMicroseconds, Double.MAX_VALUE);
    }

    private static void above0(String name, double value, double most) {
        if (!(value > 0 && value <= most)) {
            throw new Dpo4jException("HeadTimes: " + name + " is " + value + ", must be above 0");
        }
    }

    /**
     * Times both paths on this device now: matrix and hidden rows of random numbers, rounds in turns, medians. Takes
     * some forty times as long as one call, and for that time the memory of matrix, rows and workspace. Refused by name
     * where the device has one path alone.
     *
     * @param bytes that the workspace of either path may take: {@link HeadPlan#within}
     */
    public static HeadTimes measure(Device device, long bytes, long rows, long vocabulary, long hidden, DType dtype) {
        if (!HeadPath.FUSED.isSupported(device, dtype)) {
            throw new Dpo4jException("HeadTimes: " + device.name() + " has no path but CHUNKS for " + dtype + " ("
                    + HeadPath.FUSED.lacks(device, dtype) + "): there is nothing to measure, plan CHUNKS");
        }
        HeadPlan chunks = HeadPlan.within(bytes, rows, HeadPath.CHUNKS, vocabulary, hidden, dtype);
        HeadPlan fused = HeadPlan.within(bytes, rows, HeadPath.FUSED, vocabulary, hidden, dtype);
        try (HeadTiming timing = new HeadTiming(device, rows, chunks, fused)) {
            double[] medians = timing.medians();
            return new HeadTimes(device.processor(), vocabulary, hidden, dtype, rows, medians[0], medians[1]);
        }
    }

    /** The path that took less time. */
    public HeadPath faster() {
        return fusedMicroseconds < chunksMicroseconds ? HeadPath.FUSED : HeadPath.CHUNKS;
    }

    /** Whether they are of this head on this kind of processor. */
    boolean isOf(String ofProcessor, long ofVocabulary, long ofHidden, DType ofDtype) {
        return processor.equals(ofProcessor) && vocabulary == ofVocabulary && hidden == ofHidden && dtype == ofDtype;
    }

    /** A line of a {@link HeadTable}. */
    @Override
    public String toString() {
        return processor + "," + vocabulary + "," + hidden + "," + dtype + "," + rows + "," + chunksMicroseconds + ","
                + fusedMicroseconds;
    }
}
