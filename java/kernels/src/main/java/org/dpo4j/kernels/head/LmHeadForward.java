package org.dpo4j.kernels.head;

import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.TokenLogProb.Transform;
import org.dpo4j.kernels.internal.Native;
import org.dpo4j.kernels.internal.NativeLibrary;
import org.dpo4j.kernels.internal.Status;

/**
 * Log-probs of targets straight from hidden rows: {@link org.dpo4j.kernels.TokenLogProb} of {@code hidden weight^T}, whose logits are never
 * in memory. Not every device has it: {@link #isSupported} says so, and a call where it is not is refused.
 *
 * <p>Results are those of fp32 logits, and a row's have the same bits whatever other rows there are. Masked rows, targets beyond the vocabulary and
 * logits of {@code -inf} or NaN give what they give in {@link org.dpo4j.kernels.TokenLogProb}; hidden of a masked row has no effect. They are not the
 * bits of {@link LmHead}, which sums in another order: numbers that are compared or subtracted, such as those of a policy and its reference, come
 * from one of the two. No GPU has measured yet which is faster; {@link LmHead} never runs this operation.
 */
public final class LmHeadForward {

    /**
     * The head's matrix.
     *
     * @param weight address of {@code dtype[vocabulary, hiddenWidth]}
     * @param weightStride elements between its rows, a multiple of 16 bytes
     * @param transform what the softmax sees of a product; its bias is 16-byte aligned
     */
    public record Head(long weight, long weightStride, long vocabulary, long hiddenWidth, Transform transform) {

        /** Rows of the weight end to end, products as they are. */
        public static Head of(long weight, long vocabulary, long hiddenWidth) {
            return new Head(weight, hiddenWidth, vocabulary, hiddenWidth, Transform.NONE);
        }
    }

    /**
     * Hidden rows.
     *
     * @param address of {@code dtype[.., hiddenWidth]}
     * @param stride elements between rows, a multiple of 16 bytes
     */
    public record Hidden(long address, long stride) {}

    private LmHeadForward() {}

    /** Whether this device runs it on tensors of this type: a Hopper GPU, and BF16. */
    public static boolean isSupported(Device device, DType dtype) {
        return lacks(device, dtype).isEmpty();
    }

    /** What this device lacks to run it on tensors of this type; empty where {@link #isSupported}. */
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
     * @param logprob out, f32[rows]
     * @param lse out, f32[rows]
     * @param workspace {@link #workspaceBytes} bytes, contents undefined before and after
     * @param targets i32[rows]; negative: the row is masked, and its numbers are 0
     * @param dtype of hidden and weight
     */
    public static void forward(
            Device device,
            long logprob,
            long lse,
            long workspace,
            Hidden hidden,
            Head head,
            long targets,
            long rows,
            DType dtype) {
        long context = device.context();
        Status.check(
                context,
                Native.dpo4j_lm_head_forward(
                        context,
                        logprob,
                        lse,
                        workspace,
                        hidden.address,
                        head.weight,
                        head.transform.bias(),
                        targets,
                        rows,
                        head.vocabulary,
                        head.hiddenWidth,
                        hidden.stride,
                        head.weightStride,
                        head.transform.scale(),
                        head.transform.cap(),
                        dtype.code()));
    }
}
