package org.dpo4j.kernels.head;

import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.kernels.TokenLogProb.TokenResults;
import org.dpo4j.kernels.TokenLogProb.Transform;
import org.dpo4j.kernels.internal.LogitTransform;
import org.dpo4j.kernels.internal.Native;
import org.dpo4j.kernels.internal.NativeLibrary;
import org.dpo4j.kernels.internal.Status;
import org.dpo4j.kernels.internal.StructWriter;

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
     * @param dtype of the matrix and of hidden rows
     */
    public record Head(
            long weight, long weightStride, long vocabulary, long hiddenWidth, Transform transform, DType dtype) {

        /** Rows of the weight end to end, products as they are. */
        public static Head of(long weight, long vocabulary, long hiddenWidth, DType dtype) {
            return new Head(weight, hiddenWidth, vocabulary, hiddenWidth, Transform.NONE, dtype);
        }
    }

    /**
     * Hidden rows and their targets.
     *
     * @param address of {@code dtype[count, hiddenWidth]}
     * @param stride elements between rows, a multiple of 16 bytes
     * @param targets i32[count]; negative: the row is masked, and its numbers are 0
     */
    public record HiddenRows(long address, long stride, long targets, long count) {}

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
     * @param results without statistics, which this operation does not have
     * @param workspace {@link #workspaceBytes} bytes, contents undefined before and after
     */
    public static void forward(Device device, TokenResults results, long workspace, HiddenRows rows, Head head) {
        if (results.statistics() != 0) {
            throw new Dpo4jException("lm_head_forward: statistics are given, which it does not have: leave them out");
        }
        long context = device.context();
        StructWriter params = StructWriter.begin("dpo4j_lm_head_forward_params")
                .address("logprob", results.logprob())
                .address("lse", results.lse())
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
