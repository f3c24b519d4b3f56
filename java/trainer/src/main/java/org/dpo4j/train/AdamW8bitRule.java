package org.dpo4j.train;

import java.util.ArrayList;
import java.util.List;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.decoder.AdamW;
import org.dpo4j.kernels.decoder.AdamW8bit;
import org.dpo4j.kernels.decoder.CountStep;
import org.dpo4j.model.ParameterRange;
import org.dpo4j.model.Parameters;

/**
 * AdamW with moments of 8 bits, as in bitsandbytes: blocks do not cross parameters, and parameters of fewer than {@value
 * #MIN_COUNT} elements have moments in f32. A parameter is one in memory, so query, key and value projections are one.
 */
final class AdamW8bitRule implements OptimizerRule {
    /** bitsandbytes' min_8bit_size. */
    private static final int MIN_COUNT = 4096;

    /** Arrays of f32 begin at multiples of 16 bytes. */
    private static final int ALIGNMENT = 4;

    /**
     * A parameter.
     *
     * @param at where its maxima, or its moments if it is small, begin in their arrays
     */
    private record Part(Range range, boolean isSmall, long at) {}

    private final OptimizerOptions options;
    private final List<Part> parts = new ArrayList<>();
    private final long count;
    private long maxima;
    private long small;

    AdamW8bitRule(Parameters parameters, OptimizerOptions options) {
        this.options = options;
        this.count = parameters.count();
        for (ParameterRange each : parameters.ranges()) {
            double weightDecay = each.hasDecay() ? options.weightDecay : 0;
            Range range = new Range(each.begin(), each.end(), weightDecay);
            long length = range.end() - range.begin();
            if (length < MIN_COUNT) {
                parts.add(new Part(range, true, small));
                small += aligned(length);
            } else {
                parts.add(new Part(range, false, maxima));
                maxima += aligned(AdamW8bit.blocks(length));
            }
        }
    }

    private static long aligned(long count) {
        return (count + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    }

    @Override
    public String stateName() {
        return "AdamW's moments";
    }

    @Override
    public List<StateArray> arrays() {
        return List.of(
                new StateArray("exp_avg_codes", "U8", count),
                new StateArray("exp_avg_sq_codes", "U8", count),
                new StateArray("exp_avg_max", "F32", maxima),
                new StateArray("exp_avg_sq_max", "F32", maxima),
                new StateArray("exp_avg", "F32", small),
                new StateArray("exp_avg_sq", "F32", small));
    }

    @Override
    public CountStep.Corrections corrections(long address) {
        return new CountStep.Corrections(address, options.adamBeta1, options.adamBeta2);
    }

    @Override
    public void queue(Weights weights, long[] arrays) {
        for (Part part : parts) {
            Range range = part.range;
            long offset = Float.BYTES * part.at;
            if (part.isSmall) {
                AdamW.step(
                        weights.device(),
                        weights.update(range.begin(), range.end()),
                        new AdamW.Moments(arrays[4] + offset, arrays[5] + offset, DType.F32),
                        AdamWRule.options(options, range.weightDecay()));
            } else {
                AdamW8bit.step(
                        weights.device(),
                        weights.update(range.begin(), range.end()),
                        new AdamW8bit.Moments(
                                arrays[0] + range.begin(),
                                arrays[1] + range.begin(),
                                arrays[2] + offset,
                                arrays[3] + offset),
                        AdamWRule.options(options, range.weightDecay()));
            }
        }
    }
}
