package org.dpo4j.kernels.internal;

/** What a loss reads: {@code dpo4j_trait}, which the C header explains. */
public enum LossTrait {
    REFERENCE(1),
    NEEDS_REFERENCE(1 << 1),
    DIVERGENCE(1 << 2),
    SMOOTHING(1 << 3),
    NEEDS_SMOOTHING(1 << 4),
    LENGTHS(1 << 5),
    WEIGHTING(1 << 6),
    TOKEN_SCALE(1 << 7),
    RUNNING_MEAN(1 << 8),
    SORTS_PAIRS(1 << 9);

    private final int bit;

    LossTrait(int bit) {
        this.bit = bit;
    }

    public int bit() {
        return bit;
    }

    /** Whether the {@code dpo4j_loss} has all of these traits. */
    public static boolean has(int loss, int bits) {
        NativeLibrary.load();
        return (Native.dpo4j_loss_traits(loss) & bits) == bits;
    }
}
