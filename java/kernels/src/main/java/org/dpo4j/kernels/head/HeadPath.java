package org.dpo4j.kernels.head;

import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;

/**
 * How log-probs alone are computed from hidden rows, where a device has more than one way; part of a {@link HeadPlan}.
 *
 * <p>Bits: on either path a row's numbers repeat, and do not depend on other rows or on chunks. The two paths add up in
 * different orders, so their numbers differ in rounding. What is compared or subtracted, such as a policy and its
 * reference, wants one path throughout; numbers that are kept want the path kept with them. That is why a path is a value
 * that the caller names: nothing times both and takes the faster in silence, which could change the bits of a program
 * from one run to the next. {@link HeadTable} names the faster one by times that were written down, {@link HeadTimes}
 * takes such times.
 */
public enum HeadPath {
    /**
     * A matrix product stores the logits of a chunk of rows, and {@link org.dpo4j.kernels.TokenLogProb} reads them. On
     * every device, in every type that it stores, with gradients and statistics.
     */
    CHUNKS,
    /**
     * {@link LmHeadForward}: log-sum-exp in the epilogue of the product, no logits in memory. Hopper GPUs, BF16, a hidden
     * size that is a multiple of 8; log-prob and lse alone.
     */
    FUSED;

    /** Whether this device has the path for matrices of this type. */
    public boolean isSupported(Device device, DType dtype) {
        return lacks(device, dtype).isEmpty();
    }

    /** What this device lacks of the path for matrices of this type, in words; empty where {@link #isSupported}. */
    public String lacks(Device device, DType dtype) {
        if (this == FUSED) {
            return LmHeadForward.lacks(device, dtype);
        }
        return device.supports(dtype) ? "" : device.name() + " does not store " + dtype;
    }
}
