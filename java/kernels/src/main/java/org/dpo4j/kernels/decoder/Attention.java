package org.dpo4j.kernels.decoder;

import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.internal.Native;
import org.dpo4j.kernels.internal.NativeLibrary;
import org.dpo4j.kernels.internal.Status;

/**
 * Causal grouped-query attention over packed {@link Segment}s that may share a prefix: {@code softmax(scale q k^T) v}
 * for each query over the keys its segment lets it see (Vaswani et al. 2017; Ainslie et al. 2023). The scores are never
 * whole in memory.
 *
 * <p>{@code q} is [queryRows, heads, headWidth], {@code k} and {@code v} are [keyRows, kvHeads, headWidth]; the strides
 * may let all three lie in one buffer. {@code heads} is a multiple of {@code kvHeads}, and head {@code h} reads kv head
 * {@code h / (heads / kvHeads)}. {@code headWidth} is a multiple of 8, at most 256. {@code segments} lies on the
 * device, packed by {@link Segment#pack}; {@code maxQueries} is the largest query count among them. Query rows of no
 * segment are not written.
 *
 * <p>In bf16, weights and gradients of scores are rounded to bf16 before they multiply {@code v}, {@code dOut},
 * {@code k} or {@code q}, as tensor cores take them; sums, softmax and {@code lse} are fp32.
 */
public final class Attention {
    private Attention() {}

    /** Bytes of {@code workspace} for {@link #forward}, on any device. */
    public static long forwardWorkspaceBytes() {
        NativeLibrary.load();
        return Native.dpo4j_attention_forward_workspace_bytes();
    }

    /**
     * Each query's mean of the values it sees, weighted by the softmax of its scores.
     *
     * @param out out, [queryRows, heads, headWidth], rows {@code outStride} apart
     * @param lse out, f32[queryRows, heads]: log of the sum of exp(scale q.k), kept for {@link #backward}
     * @param workspace {@link #forwardWorkspaceBytes} bytes, contents undefined before and after
     * @param keyRows bound of the rows of {@code k} and {@code v} that segments name; rows beyond are not read
     */
    public static void forward(
            Device device,
            long out,
            long lse,
            long workspace,
            long q,
            long k,
            long v,
            long segments,
            long segmentCount,
            long maxQueries,
            long keyRows,
            long heads,
            long kvHeads,
            long headWidth,
            long outStride,
            long qStride,
            long kvStride,
            float scale,
            DType dtype) {
        long context = device.context();
        Status.check(
                context,
                Native.dpo4j_attention_forward(
                        context,
                        out,
                        lse,
                        workspace,
                        q,
                        k,
                        v,
                        segments,
                        segmentCount,
                        maxQueries,
                        keyRows,
                        heads,
                        kvHeads,
                        headWidth,
                        outStride,
                        qStride,
                        kvStride,
                        scale,
                        dtype.code()));
    }

    /** Bytes of {@code workspace} for {@link #backward} at these sizes, on any device. */
    public static long backwardWorkspaceBytes(long queryRows, long heads, long headWidth) {
        NativeLibrary.load();
        return Native.dpo4j_attention_backward_workspace_bytes(queryRows, heads, headWidth);
    }

    /**
     * Gradients of {@code q}, {@code k} and {@code v}. Segments are of the training kind: own keys are own rows from
     * the first, every prefix is the rows of one earlier segment, directly followed by its dependents, and every row of
     * {@code k} belongs to one segment.
     *
     * @param dQ out, laid out as {@code q}
     * @param dK out, laid out as {@code k}
     * @param dV out, laid out as {@code v}
     * @param workspace {@link #backwardWorkspaceBytes} bytes, contents undefined before and after
     * @param dOut laid out as {@code out}
     * @param out of {@link #forward}
     * @param lse of {@link #forward}
     * @param queryRows bound of the rows that segments name
     */
    public static void backward(
            Device device,
            long dQ,
            long dK,
            long dV,
            long workspace,
            long dOut,
            long q,
            long k,
            long v,
            long out,
            long lse,
            long segments,
            long segmentCount,
            long maxQueries,
            long queryRows,
            long heads,
            long kvHeads,
            long headWidth,
            long outStride,
            long qStride,
            long kvStride,
            float scale,
            DType dtype) {
        long context = device.context();
        Status.check(
                context,
                Native.dpo4j_attention_backward(
                        context,
                        dQ,
                        dK,
                        dV,
                        workspace,
                        dOut,
                        q,
                        k,
                        v,
                        out,
                        lse,
                        segments,
                        segmentCount,
                        maxQueries,
                        queryRows,
                        heads,
                        kvHeads,
                        headWidth,
                        outStride,
                        qStride,
                        kvStride,
                        scale,
                        dtype.code()));
    }
}
