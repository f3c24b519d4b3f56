package org.dpo4j.kernels.head;

import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.TokenLogProb.TokenResults;
import org.dpo4j.kernels.head.LmHeadForward.Head;
import org.dpo4j.kernels.head.LmHeadForward.HiddenRows;
import org.dpo4j.kernels.internal.LogitTransform;
import org.dpo4j.kernels.internal.Native;
import org.dpo4j.kernels.internal.NativeLibrary;
import org.dpo4j.kernels.internal.Status;
import org.dpo4j.kernels.internal.StructWriter;

/**
 * {@link LmHeadForward}, with the same bits, and what the backward pass needs: exponentials E of the softmax in bf16,
 * and a factor per row, with {@code d logprob[row] / d x[row, j] = factors[row] E[row, j]}, where x is a logit before
 * its transform. So the gradient of the hidden states is {@code diag(factors) E W}, that of the weight {@code E^T
 * diag(factors) x}, and that of a bias {@code E^T factors}, times d loss / d log-prob. No fp32 logits and no gradient of them are in memory. It needs a Hopper GPU. Check {@link #lacks}; on other
 * devices a call is refused.
 *
 * <p>E is rounded once, to bf16, as a gradient of logits would be. The exponentials of a row share a power of two that
 * depends on the logit of the target, so the factors of two rows may differ much. A target whose log-prob is below -88
 * makes the device compute the products of the call twice.
 */
public final class LmHeadExponentials {

    /**
     * What the backward pass reads.
     *
     * @param address written, {@code dtype[count, vocabulary rounded up to 8]}; 0 beyond the vocabulary, and in masked
     *     rows
     * @param stride elements between rows, a multiple of 16 bytes
     * @param factors written, f32[count]; 0 in masked rows
     */
    public record Exponentials(long address, long stride, long factors) {}

    private LmHeadExponentials() {}

    /** Why the device does not support it for this dtype; empty if it does. */
    public static String lacks(Device device, DType dtype) {
        return Native.dpo4j_lm_head_exponentials_lacks(device.context(), dtype.code());
    }

    /** Bytes of {@code workspace} for {@link #forward} at these sizes. */
    public static long workspaceBytes(long rows, long vocabulary) {
        NativeLibrary.load();
        return Native.dpo4j_lm_head_exponentials_workspace_bytes(rows, vocabulary);
    }

    /**
     * Queues log-probs, lse, exponentials and factors of all rows.
     *
     * @param results the bits of the others do not depend on whether there are statistics
     * @param workspace {@link #workspaceBytes} bytes, contents undefined before and after
     */
    public static void forward(
            Device device,
            TokenResults results,
            Exponentials exponentials,
            long workspace,
            HiddenRows rows,
            Head head) {
        long context = device.context();
        StructWriter params = StructWriter.begin("dpo4j_lm_head_exponentials_params")
                .address("logprob", results.logprob())
                .address("lse", results.lse())
                .address("statistics", results.statistics())
                .address("factors", exponentials.factors)
                .address("exponentials", exponentials.address)
                .int64("exponentials_stride", exponentials.stride)
                .address("workspace", workspace)
                .address("hidden", rows.address())
                .int64("hidden_stride", rows.stride())
                .address("targets", rows.targets())
                .int64("rows", rows.count())
                .address("weight", head.weight())
                .int64("weight_stride", head.weightStride())
                .int64("vocabulary", head.vocabulary())
                .int64("hidden_width", head.hiddenWidth());
        LogitTransform.write(
                        params,
                        head.transform().bias(),
                        head.transform().scale(),
                        head.transform().cap())
                .int32("dtype", head.dtype().code());
        Status.check(context, Native.dpo4j_lm_head_exponentials(context, params.end()));
    }
}
