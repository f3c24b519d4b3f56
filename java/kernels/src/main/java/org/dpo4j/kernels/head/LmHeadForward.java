package org.dpo4j.kernels.head;

import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.TokenLogProb.TokenResults;
import org.dpo4j.kernels.TokenLogProb.Transform;
import org.dpo4j.kernels.internal.LogitTransform;
import org.dpo4j.kernels.internal.Native;
import org.dpo4j.kernels.internal.NativeLibrary;
import org.dpo4j.kernels.internal.Status;
import org.dpo4j.kernels.internal.StructWriter;

/**
 * {@link org.dpo4j.kernels.TokenLogProb} of the logits {@code hidden weight^T}, which are never in memory. It needs a
 * Hopper GPU. Check {@link #isSupported}; on other devices a call is refused.
 *
 * <p>The results are those of fp32 logits, also for masked rows, targets beyond the vocabulary and logits of {@code
 * -inf} or NaN. The bits of a row do not depend on other rows, and the hidden state of a masked row has no effect. The
 * bits differ from those of {@link LmHead}, which sums in another order. So use only one of the two for numbers that
 * are compared or subtracted, such as log-probs of a policy and its reference. {@link LmHead} uses this operation on
 * {@link HeadPlan.Path#EXPONENTIALS}.
 */
public final class LmHeadForward {

    /**
     * The head's weight.
     *
     * @param weight address of {@code dtype[vocabulary, hiddenWidth]}
     * @param weightStride elements between its rows, a multiple of 16 bytes
     * @param transform of the logits; its bias is 16-byte aligned
     * @param dtype of weight and hidden states
     */
    public record Head(
            long weight, long weightStride, long vocabulary, long hiddenWidth, Transform transform, DType dtype) {

        /** A contiguous weight, without transform. */
        public static Head contiguous(long weight, long vocabulary, long hiddenWidth, DType dtype) {
            return new Head(weight, hiddenWidth, vocabulary, hiddenWidth, Transform.NONE, dtype);
        }
    }

    /**
     * Hidden states and their targets.
     *
     * @param address {@code dtype[count, hiddenWidth]}
     * @param stride elements between rows, a multiple of 16 bytes
     * @param targets i32[count]. A row with a negative target is masked: its results are 0
     */
    public record HiddenRows(long address, long stride, long targets, long count) {}

    private LmHeadForward() {}

    /** Whether the device supports it for this dtype: the device must be a Hopper GPU, and the dtype BF16. */
    public static boolean isSupported(Device device, DType dtype) {
        return lacks(device, dtype).isEmpty();
    }

    /** Why the device does not support it for this dtype; empty if it does. */
    public static String lacks(Device device, DType dtype) {
        return Native.dpo4j_lm_head_forward_lacks(device.context(), dtype.code());
    }

    /** Bytes of {@code workspace} for {@link #forward} at these sizes. */
    public static long workspaceBytes(long rows, long vocabulary) {
        NativeLibrary.load();
        return Native.dpo4j_lm_head_forward_workspace_bytes(rows, vocabulary);
    }

    /**
     * {@code logprob[row] = logits[row, targets[row]] - lse[row]}.
     *
     * @param results the bits of log-prob and lse do not depend on whether there are statistics
     * @param workspace {@link #workspaceBytes} bytes, contents undefined before and after
     */
    public static void forward(Device device, TokenResults results, long workspace, HiddenRows rows, Head head) {
        long context = device.context();
        StructWriter params = StructWriter.begin("dpo4j_lm_head_forward_params")
                .address("logprob", results.logprob())
                .address("lse", results.lse())
                .address("statistics", results.statistics())
                .address("workspace", workspace)
                .address("hidden", rows.address)
                .int64("hidden_stride", rows.stride)
                .address("targets", rows.targets)
                .int64("rows", rows.count)
                .address("weight", head.weight)
                .int64("weight_stride", head.weightStride)
                .int64("vocabulary", head.vocabulary)
                .int64("hidden_width", head.hiddenWidth);
        Transform transform = head.transform;
        LogitTransform.write(params, transform.bias(), transform.scale(), transform.cap())
                .int32("dtype", head.dtype.code());
        Status.check(context, Native.dpo4j_lm_head_forward(context, params.end()));
    }
}
