package org.dpo4j.kernels.decoder;

import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.internal.Native;
import org.dpo4j.kernels.internal.NativeLibrary;
import org.dpo4j.kernels.internal.Status;
import org.dpo4j.kernels.internal.StructWriter;

/**
 * Causal grouped-query attention over packed {@link Segment}s that may share a prefix: {@code softmax(scale q k^T) v}
 * for each query over the keys its segment lets it see (Vaswani et al. 2017; Ainslie et al. 2023). The scores are never
 * whole in memory.
 *
 * <p>In bf16, weights and gradients of scores are rounded to bf16 before they multiply {@code v}, {@code dOut},
 * {@code k} or {@code q}, as tensor cores take them; sums, softmax and {@code lse} are fp32.
 */
public final class Attention {
    private Attention() {}

    /**
     * Elements between rows; they let q, k and v lie in one buffer.
     *
     * @param out of {@code out} and {@code dOut}
     * @param q of {@code q} and {@code dQ}
     * @param kv of {@code k}, {@code v}, {@code dK} and {@code dV}
     */
    public record Strides(long out, long q, long kv) {}

    /**
     * What a model fixes of attention; both directions take it.
     *
     * @param heads of queries, a multiple of {@code kvHeads}; head {@code h} reads kv head {@code h / (heads /
     *     kvHeads)}
     * @param kvHeads of keys and values
     * @param headWidth elements of a head: a multiple of 8, at most 256
     * @param scale of {@code q k^T} before the softmax
     */
    public record Shape(long heads, long kvHeads, long headWidth, Strides strides, float scale, DType dtype) {

        /** With keys and values in rows that are {@code stride} apart. */
        public Shape withKvStride(long stride) {
            return new Shape(heads, kvHeads, headWidth, new Strides(strides.out, strides.q, stride), scale, dtype);
        }

        private void write(StructWriter params) {
            params.open("shape", Long.BYTES)
                    .int64("heads", heads)
                    .int64("kv_heads", kvHeads)
                    .int64("head_width", headWidth)
                    .int64("out_stride", strides.out)
                    .int64("q_stride", strides.q)
                    .int64("kv_stride", strides.kv)
                    .float32("scale", scale)
                    .int32("dtype", dtype.code())
                    .close();
        }
    }

    /**
     * Which rows see which.
     *
     * @param address on the device, of what {@link Segment#pack} makes
     * @param maxQueries the largest query count of a segment
     * @param rows bound of the rows of {@code k} and {@code v} that segments name; in {@link #backward}, where these are
     *     the rows of {@code q}, of both. Rows beyond are not read
     */
    public record Segments(long address, long count, long maxQueries, long rows) {
        private void write(StructWriter params, String boundOfRows) {
            params.address("segments", address)
                    .int64("segment_count", count)
                    .int64("max_queries", maxQueries)
                    .int64(boundOfRows, rows);
        }
    }

    /**
     * Addresses.
     *
     * @param q [queryRows, heads, headWidth]
     * @param k [keyRows, kvHeads, headWidth]
     * @param v [keyRows, kvHeads, headWidth]
     */
    public record Inputs(long q, long k, long v) {}

    /**
     * Addresses of what {@link #forward} writes and {@link #backward} reads. Query rows of no segment are not written.
     *
     * @param out [queryRows, heads, headWidth]
     * @param lse f32[queryRows, heads]: log of the sum of exp(scale q.k)
     */
    public record Saved(long out, long lse) {}

    /**
     * Addresses of gradients. Each has the shape and strides of its tensor: {@code dQ} those of {@code q}.
     *
     * @param dOut input
     * @param dQ output, as are {@code dK} and {@code dV}
     */
    public record Gradients(long dOut, long dQ, long dK, long dV) {}

    /** Bytes of {@code workspace} for {@link #forward}, on any device. */
    public static long forwardWorkspaceBytes() {
        NativeLibrary.load();
        return Native.dpo4j_attention_forward_workspace_bytes();
    }

    /**
     * Each query's mean of the values it sees, weighted by the softmax of its scores.
     *
     * @param workspace address of {@link #forwardWorkspaceBytes} bytes, contents undefined before and after
     */
    public static void forward(
            Device device, Saved saved, Inputs inputs, Segments segments, long workspace, Shape shape) {
        long context = device.context();
        StructWriter params = StructWriter.begin("dpo4j_attention_forward_params")
                .address("out", saved.out)
                .address("lse", saved.lse)
                .address("workspace", workspace)
                .address("q", inputs.q)
                .address("k", inputs.k)
                .address("v", inputs.v);
        segments.write(params, "key_rows");
        shape.write(params);
        Status.check(context, Native.dpo4j_attention_forward(context, params.end()));
    }

    /** Bytes of {@code workspace} for {@link #backward} at these sizes, on any device. */
    public static long backwardWorkspaceBytes(long queryRows, Shape shape) {
        NativeLibrary.load();
        return Native.dpo4j_attention_backward_workspace_bytes(queryRows, shape.heads, shape.headWidth);
    }

    /**
     * Gradients of {@code q}, {@code k} and {@code v}. Segments are of the training kind: own keys are own rows from
     * the first, every prefix is the rows of one earlier segment, directly followed by its dependents, and every row of
     * {@code k} belongs to one segment.
     *
     * @param workspace address of {@link #backwardWorkspaceBytes} bytes, contents undefined before and after
     */
    public static void backward(
            Device device,
            Gradients gradients,
            Inputs inputs,
            Saved saved,
            Segments segments,
            long workspace,
            Shape shape) {
        long context = device.context();
        StructWriter params = StructWriter.begin("dpo4j_attention_backward_params")
                .address("d_q", gradients.dQ)
                .address("d_k", gradients.dK)
                .address("d_v", gradients.dV)
                .address("workspace", workspace)
                .address("d_out", gradients.dOut)
                .address("q", inputs.q)
                .address("k", inputs.k)
                .address("v", inputs.v)
                .address("out", saved.out)
                .address("lse", saved.lse);
        segments.write(params, "query_rows");
        shape.write(params);
        Status.check(context, Native.dpo4j_attention_backward(context, params.end()));
    }
}
