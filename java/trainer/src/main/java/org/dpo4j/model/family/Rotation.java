package org.dpo4j.model.family;

import static org.dpo4j.model.family.ConfigJson.check;

/**
 * Rotary positions (Su et al. 2021) of the queries and keys of a layer.
 *
 * @param theta base of the frequencies
 * @param width rotated elements of each head: the first ones
 * @param scaling how the frequencies are changed
 */
public record Rotation(double theta, int width, RopeScaling scaling) {
    public Rotation {
        check(theta > 1 && theta <= Float.MAX_VALUE, "rope_theta is " + theta + "; it must be above 1 and within fp32");
        check(
                width > 0 && width % 2 == 0,
                "the rotated width of a head is " + width + "; only even widths are supported");
        if (scaling instanceof RopeScaling.LongRope lists) {
            checkCount("short_factor", lists.shortFactors().size(), width);
            checkCount("long_factor", lists.longFactors().size(), width);
        }
    }

    /** Whole heads with unscaled frequencies. */
    public Rotation(double theta, int width) {
        this(theta, width, RopeScaling.NONE);
    }

    /** {@code width / 2} frequencies: the angle of element {@code i} at position p is {@code p frequencies[i]}. */
    public float[] frequencies() {
        return scaling.frequencies(theta, width);
    }

    /** Those of sequences with more than {@link Architecture#shortLength} tokens. */
    public float[] longFrequencies() {
        return scaling.longFrequencies(theta, width);
    }

    private static void checkCount(String key, int count, int width) {
        check(
                count == width / 2,
                key + " has " + count + " numbers; " + width / 2 + " are expected, one for each pair of the " + width
                        + " rotated elements of a head");
    }
}
