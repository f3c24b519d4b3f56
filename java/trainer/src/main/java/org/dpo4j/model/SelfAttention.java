package org.dpo4j.model;

import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.decoder.Attention;
import org.dpo4j.kernels.decoder.CopyRows;
import org.dpo4j.kernels.decoder.MatrixShape;
import org.dpo4j.kernels.decoder.Rope;
import org.dpo4j.model.family.Architecture;
import org.dpo4j.model.family.Architecture.AttentionTraits;
import org.dpo4j.model.family.ParameterKind;
import org.jspecify.annotations.Nullable;

/**
 * Attention of a layer: {@code branch = attention(rope(norm(x Wqkv^T))) Wo^T}, where x is the input of the branch. Some
 * models have norms of queries and keys, and some layers have no rope.
 */
final class SelfAttention {
    private final Weights weights;
    private final Device device;
    private final DType dtype;
    private final PaddedSizes sizes;
    private final @Nullable RotaryTable rotary;
    private final int layer;
    private final Projection qkv;
    private final @Nullable QueryKeyNorms norms;
    private final Projection output;
    private final Attention.Shape shape;
    private final Rope.Shape rotation;

    SelfAttention(Weights weights, Architecture architecture, int layer, RotaryTables rotary) {
        AttentionTraits traits = architecture.attention();
        this.weights = weights;
        this.device = weights.device();
        this.dtype = weights.dtype();
        this.rotary = rotary.forLayer(traits.layers().get(layer));
        this.layer = layer;
        this.sizes = weights.layout().sizes();
        this.qkv = new Projection(weights, ParameterKind.QKV, layer);
        this.norms = QueryKeyNorms.create(weights, architecture, layer);
        this.output = new Projection(weights, ParameterKind.ATTENTION_OUTPUT, layer);
        this.shape = new Attention.Shape(
                sizes.heads(),
                sizes.keyHeads(),
                sizes.headWidth(),
                new Attention.Strides(sizes.queryWidth(), sizes.qkvWidth(), sizes.qkvWidth()),
                new Attention.Scores(
                        (float) architecture.scoreScale(layer), (float) traits.softCap(), architecture.window(layer)),
                dtype);
        // Queries and keys are adjacent in a row and have the same angles, so one call rotates both.
        this.rotation = new Rope.Shape(
                sizes.heads() + sizes.keyHeads(),
                sizes.headWidth(),
                this.rotary == null ? 0 : this.rotary.width(),
                sizes.qkvWidth(),
                dtype);
    }

    /**
     * Activations that forward writes and backward reads.
     *
     * @param qkv [rows, qkvWidth], after norms and rotation
     * @param out [rows, queryWidth]
     * @param lse f32[rows, heads]
     * @param qkvSaved {@link Projection#placeSaved} of q, k and v
     * @param outputSaved that of the output
     */
    record Saved(long qkv, QueryKeyNorms.@Nullable Saved norms, long out, long lse, long qkvSaved, long outputSaved) {}

    /**
     * Temporary memory of backward.
     *
     * @param dOut [rows, queryWidth]
     * @param dQkv [rows, qkvWidth]
     * @param projection {@link Projection#placeGradient}
     */
    record Gradients(long dOut, long dQkv, long workspace, long normWorkspace, long projection) {}

    Saved placeSaved(Layout layout, int rows) {
        return new Saved(
                layout.matrix(rows, sizes.qkvWidth(), dtype),
                norms == null ? null : norms.placeSaved(layout, rows),
                layout.matrix(rows, sizes.queryWidth(), dtype),
                layout.words((long) rows * sizes.heads()),
                qkv.placeSaved(layout, rows),
                output.placeSaved(layout, rows));
    }

    /** Places the temporary memory of {@link #forward}. */
    static long placeWorkspace(Layout layout) {
        return layout.allocate(Attention.forwardWorkspaceBytes());
    }

    Gradients placeGradients(Layout layout, int rows) {
        return new Gradients(
                layout.matrix(rows, sizes.queryWidth(), dtype),
                layout.matrix(rows, sizes.qkvWidth(), dtype),
                layout.allocate(Attention.backwardWorkspaceBytes(device, rows, shape)),
                norms == null ? 0 : norms.placeWorkspace(layout, rows),
                Projection.placeGradient(layout, rows, weights));
    }

    /** With a cache, stores keys and values of the rows there and attends to rows of the cache. */
    void forward(long branch, long normed, Saved saved, long workspace, Pass pass, @Nullable KeyCache cache) {
        int rows = pass.rows();
        qkv.forward(saved.qkv, normed, saved.qkvSaved, rows);
        if (norms != null && saved.norms != null) {
            norms.forward(saved.qkv, saved.norms, rows);
        }
        if (rotary != null) {
            Rope.forward(device, saved.qkv, positions(pass), rotary.table(), rotation);
        }
        long keys = keys(saved.qkv);
        long values = values(saved.qkv);
        long keyStride = sizes.qkvWidth();
        long keyRows = rows;
        if (cache != null) {
            store(cache, keys, pass);
            keys = cache.keys(layer);
            values = cache.values(layer);
            keyStride = cache.width();
            keyRows = cache.rows();
        }
        Attention.forward(
                device,
                new Attention.Saved(saved.out, saved.lse),
                new Attention.Inputs(saved.qkv, keys, values),
                segments(pass, keyRows),
                pass.ranges().maxKeys() > 0 ? pass.ranges().workspace() : workspace,
                shape.withKvStride(keyStride));
        output.forward(branch, saved.out, saved.outputSaved, rows);
    }

    /** Copies keys and values together: they are adjacent in a row, as in the cache. */
    private void store(KeyCache cache, long keys, Pass pass) {
        CopyRows.forward(
                device,
                new CopyRows.To(cache.keys(layer), pass.cacheRows(), cache.width()),
                new CopyRows.From(keys, 0, sizes.qkvWidth()),
                new MatrixShape(pass.rows(), cache.width(), dtype));
    }

    /** Writes the gradient of {@code normed} to {@code dNormed}, and adds to the gradients of the weights. */
    void backward(long dNormed, long dBranch, long normed, Saved saved, Gradients gradients, Pass pass) {
        int rows = pass.rows();
        output.backward(gradients.dOut, dBranch, saved.out, saved.outputSaved, gradients.projection, rows);
        long dQkv = gradients.dQkv;
        Attention.backward(
                device,
                new Attention.Gradients(gradients.dOut, dQkv, keys(dQkv), values(dQkv)),
                new Attention.Inputs(saved.qkv, keys(saved.qkv), values(saved.qkv)),
                new Attention.Saved(saved.out, saved.lse),
                segments(pass, rows),
                gradients.workspace,
                shape);
        if (rotary != null) {
            Rope.backward(device, dQkv, positions(pass), rotary.table(), rotation);
        }
        if (norms != null && saved.norms != null) {
            norms.backward(dQkv, saved.norms, gradients.normWorkspace, rows);
        }
        qkv.backward(dNormed, dQkv, normed, saved.qkvSaved, gradients.projection, rows);
    }

    private static Rope.Positions positions(Pass pass) {
        return new Rope.Positions(pass.positions(), pass.rows());
    }

    private static Attention.Segments segments(Pass pass, long rows) {
        return new Attention.Segments(
                pass.segments(),
                pass.segmentCount(),
                pass.maxQueries(),
                rows,
                pass.ranges().maxKeys());
    }

    private long keys(long qkv) {
        return qkv + (long) sizes.queryWidth() * dtype.bytes();
    }

    private long values(long qkv) {
        return keys(qkv) + (long) sizes.keyWidth() * dtype.bytes();
    }
}
