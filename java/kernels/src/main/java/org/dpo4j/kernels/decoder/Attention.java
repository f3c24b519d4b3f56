package org.dpo4j.kernels.decoder;

import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.internal.Native;
import org.dpo4j.kernels.internal.NativeLibrary;
import org.dpo4j.kernels.internal.Status;
import org.dpo4j.kernels.internal.StructWriter;

/**
 * Causal grouped-query attention over packed {@link Segment}s that may share a prefix: {@code softmax(scores) v} over
 * the keys that each query attends to, {@code scores = scale q k^T} (Vaswani et al. 2017; Ainslie et al. 2023), with a
 * sliding window (Beltagy et al. 2020) and a soft cap (Gemma Team 2024) if asked for. The matrix of scores is never in
 * memory. Tiles of keys that a window hides are neither read nor multiplied.
 *
 * <p>In bf16, tensor cores multiply bf16: softmax weights and gradients of scores are rounded before they are
 * multiplied by {@code v}, {@code dOut}, {@code k} or {@code q}. Sums, softmax and {@code lse} are fp32.
 */
public final class Attention {
    /** Decoding on cuda splits the keys of a query into ranges of this length, and computes each range in a block of its own. */
    public static final int RANGE_KEYS = 256;

    private Attention() {}

    /**
     * Elements between rows, so that q, k and v can lie in one buffer.
     *
     * @param out stride of {@code out} and {@code dOut}
     * @param q stride of {@code q} and {@code dQ}
     * @param kv stride of {@code k}, {@code v}, {@code dK} and {@code dV}
     */
    public record Strides(long out, long q, long kv) {}

    /**
     * The scores, of which the softmax is computed.
     *
     * @param scale factor of {@code q k^T}
     * @param softCap scores are {@code softCap tanh(scale q k^T / softCap)}; 0: they are {@code scale q k^T}
     * @param window a query attends to itself and the {@code window - 1} tokens before it, of its prefix too; 0: to all
     *     tokens before it
     */
    public record Scores(float scale, float softCap, int window) {
        /** Neither soft cap nor window. */
        public Scores(float scale) {
            this(scale, 0, 0);
        }
    }

    /**
     * The parameters that the model fixes, for forward and backward.
     *
     * @param heads query heads, a multiple of {@code kvHeads}; query head {@code h} uses key and value head {@code h /
     *     (heads / kvHeads)}
     * @param kvHeads key and value heads
     * @param headWidth elements of a head: a multiple of 8, at most 256
     * @param scores how scores follow from {@code q k^T}
     */
    public record Shape(long heads, long kvHeads, long headWidth, Strides strides, Scores scores, DType dtype) {

        /** Scores that are only scaled. */
        public Shape(long heads, long kvHeads, long headWidth, Strides strides, float scale, DType dtype) {
            this(heads, kvHeads, headWidth, strides, new Scores(scale), dtype);
        }

        /** The same with another stride of keys and values. */
        public Shape withKvStride(long stride) {
            return new Shape(heads, kvHeads, headWidth, new Strides(strides.out, strides.q, stride), scores, dtype);
        }

        private void write(StructWriter params) {
            params.open("shape", Long.BYTES)
                    .int64("heads", heads)
                    .int64("kv_heads", kvHeads)
                    .int64("head_width", headWidth)
                    .int64("out_stride", strides.out)
                    .int64("q_stride", strides.q)
                    .int64("kv_stride", strides.kv)
                    .float32("scale", scores.scale)
                    .float32("soft_cap", scores.softCap)
                    .int32("window", scores.window)
                    .int32("dtype", dtype.code())
                    .close();
        }
    }

    /**
     * The segments of a call.
     *
     * @param address device address of the array that {@link Segment#pack} makes
     * @param count number of segments
     * @param maxQueries max query count of the segments
     * @param rows number of rows of {@code k} and {@code v}, and in {@link #backward} of {@code q} too; segments may
     *     not name others
     * @param maxKeys 0, or for decoding an upper bound on the keys of a query, those of its prefix included. Then {@code
     *     maxQueries} is at most 1, and {@link #forward} on cuda splits the keys of a query into ranges of {@link
     *     #RANGE_KEYS}, which are summed apart and added in order
     */
    public record Segments(long address, long count, long maxQueries, long rows, long maxKeys) {
        /** Keys are not split. */
        public Segments(long address, long count, long maxQueries, long rows) {
            this(address, count, maxQueries, rows, 0);
        }

        private StructWriter write(StructWriter params, String boundOfRows) {
            return params.address("segments", address)
                    .int64("segment_count", count)
                    .int64("max_queries", maxQueries)
                    .int64(boundOfRows, rows);
        }
    }

    /**
     * Addresses of the inputs.
     *
     * @param q [queryRows, heads, headWidth]
     * @param k [keyRows, kvHeads, headWidth]
     * @param v [keyRows, kvHeads, headWidth]
     */
    public record Inputs(long q, long k, long v) {}

    /**
     * Addresses of the results of {@link #forward}, which {@link #backward} reads. Query rows outside all segments are
     * not written.
     *
     * @param out [queryRows, heads, headWidth]
     * @param lse f32[queryRows, heads]: log of the sum of exp(score)
     */
    public record Saved(long out, long lse) {}

    /**
     * Addresses of gradients, each with the shape and stride of its tensor.
     *
     * @param dOut read
     * @param dQ written
     * @param dK written
     * @param dV written
     */
    public record Gradients(long dOut, long dQ, long dK, long dV) {}

    /** Bytes of {@code workspace} for {@link #forward}, on any device. */
    public static long forwardWorkspaceBytes() {
        NativeLibrary.load();
        return Native.dpo4j_attention_forward_workspace_bytes();
    }

    /**
     * Bytes of {@code workspace} for {@link #forward} of segments with {@code maxKeys} above 0, on any device and with any
     * window.
     */
    public static long decodeWorkspaceBytes(long segments, long heads, long headWidth, long maxKeys) {
        NativeLibrary.load();
        return Native.dpo4j_attention_decode_workspace_bytes(segments, heads, headWidth, maxKeys);
    }

    /**
     * {@code out = softmax(scores) v} and {@code lse}.
     *
     * <p>The result of a query depends only on the keys that it attends to. If {@code segments.maxKeys} is above 0, it is on
     * cuda equal to that of a whole sequence within the error of the sums; in F32 it has the same bits if all its keys are
     * in one range, which begins at a multiple of {@link #RANGE_KEYS}.
     *
     * @param workspace address of {@link #forwardWorkspaceBytes} bytes, or of {@link #decodeWorkspaceBytes} if {@code
     *     segments.maxKeys} is above 0; contents undefined before and after
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
        segments.write(params, "key_rows").int64("max_keys", segments.maxKeys);
        shape.write(params);
        Status.check(context, Native.dpo4j_attention_forward(context, params.end()));
    }

    /** Bytes of {@code workspace} for {@link #backward} of {@code queryRows} rows on this device. */
    public static long backwardWorkspaceBytes(Device device, long queryRows, Shape shape) {
        return Native.dpo4j_attention_backward_workspace_bytes(
                device.context(), queryRows, shape.heads, shape.kvHeads, shape.headWidth, shape.dtype.code());
    }

    /**
     * Gradients of {@code q}, {@code k} and {@code v}. Segments must be those of training: {@code keyBegin =
     * queryBegin} and {@code keyOffset = 0}; every row of {@code k} is in one segment; a prefix is all rows of one
     * earlier segment, directly followed by its dependents.
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
