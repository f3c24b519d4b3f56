package org.dpo4j.model;

import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.decoder.CopyRows;
import org.dpo4j.kernels.decoder.MatrixShape;
import org.dpo4j.kernels.decoder.RmsNorm;
import org.dpo4j.model.family.Architecture;
import org.dpo4j.model.family.Architecture.QueryKeyNorm;
import org.dpo4j.model.family.ParameterKind;
import org.jspecify.annotations.Nullable;

/**
 * The norms of a layer's queries and keys, in place in the rows of queries, keys and values. A copy of queries and keys
 * before the norms is kept for backward: they do not follow from the results if a weight is 0.
 */
final class QueryKeyNorms {
    private final Device device;
    private final DType dtype;
    private final PaddedSizes sizes;
    private final Norm queries;
    private final Norm keys;

    private QueryKeyNorms(Weights weights, Architecture architecture, int layer) {
        this.device = weights.device();
        this.dtype = weights.dtype();
        ParameterLayout layout = weights.layout();
        this.sizes = layout.sizes();
        boolean isPerHead = architecture.attention().norm() == QueryKeyNorm.PER_HEAD;
        RmsNorm.Strides strides = new RmsNorm.Strides(width(), sizes.qkvWidth());
        this.queries = new Norm(
                weights,
                layout.parameter(ParameterKind.QUERY_NORM, layer),
                architecture.norm(),
                isPerHead ? sizes.heads() : 1,
                strides);
        this.keys = new Norm(
                weights,
                layout.parameter(ParameterKind.KEY_NORM, layer),
                architecture.norm(),
                isPerHead ? sizes.keyHeads() : 1,
                strides);
    }

    /** Null if the layer has none. */
    static @Nullable QueryKeyNorms create(Weights weights, Architecture architecture, int layer) {
        return architecture.attention().norm() == QueryKeyNorm.NONE
                ? null
                : new QueryKeyNorms(weights, architecture, layer);
    }

    /**
     * Activations that forward writes and backward reads.
     *
     * @param before [rows, queryWidth + keyWidth], queries and keys before the norms
     */
    record Saved(long before, Norm.Saved queries, Norm.Saved keys) {}

    Saved placeSaved(Layout layout, int rows) {
        return new Saved(
                layout.matrix(rows, width(), dtype), queries.placeSaved(layout, rows), keys.placeSaved(layout, rows));
    }

    /** Places the temporary memory of {@link #backward}. */
    long placeWorkspace(Layout layout, int rows) {
        return layout.allocate(Math.max(queries.workspaceBytes(rows), keys.workspaceBytes(rows)));
    }

    /** Norms queries and keys in {@code qkv} [rows, qkvWidth]. */
    void forward(long qkv, Saved saved, int rows) {
        CopyRows.forward(
                device,
                new CopyRows.To(saved.before, 0, width()),
                new CopyRows.From(qkv, 0, sizes.qkvWidth()),
                new MatrixShape(rows, width(), dtype));
        queries.forward(qkv, saved.queries, saved.before, rows);
        keys.forward(keys(qkv), saved.keys, keys(saved.before), rows);
    }

    /** Replaces the gradients of the norms' results in {@code dQkv} by those of their inputs. */
    void backward(long dQkv, Saved saved, long workspace, int rows) {
        queries.backward(dQkv, dQkv, 0, saved.before, saved.queries, workspace, rows);
        keys.backward(keys(dQkv), keys(dQkv), 0, keys(saved.before), saved.keys, workspace, rows);
    }

    /** Elements per row of queries and keys. */
    private int width() {
        return sizes.queryWidth() + sizes.keyWidth();
    }

    private long keys(long row) {
        return row + (long) sizes.queryWidth() * dtype.bytes();
    }
}
