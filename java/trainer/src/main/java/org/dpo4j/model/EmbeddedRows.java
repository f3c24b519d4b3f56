package org.dpo4j.model;

import org.dpo4j.data.PackedBatch;
import org.dpo4j.model.family.Architecture;
import org.jspecify.annotations.Nullable;

/**
 * The rows of a batch in the order in which the gradients of the embedding tables add them.
 *
 * @param ids by token id
 * @param positions by position; null if the model has no table of positions
 */
record EmbeddedRows(RowsByIndex ids, @Nullable RowsByIndex positions) {

    /** Places arrays for {@code count} rows. */
    static EmbeddedRows place(Layout layout, Architecture architecture, int count) {
        return new EmbeddedRows(
                RowsByIndex.place(layout, count),
                architecture.hasPositionEmbedding() ? RowsByIndex.place(layout, count) : null);
    }

    /** Sets the values of the arrays. */
    void put(Indices indices, PackedBatch batch) {
        ids.put(indices, batch.ids());
        if (positions != null) {
            positions.put(indices, batch.positions());
        }
    }
}
