package org.dpo4j.model;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.dpo4j.data.PackedBatch;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.decoder.Rope;
import org.dpo4j.kernels.decoder.Segment;
import org.dpo4j.model.family.Architecture;
import org.dpo4j.model.family.Architecture.LayerAttention;
import org.dpo4j.model.family.Rotation;
import org.jspecify.annotations.Nullable;

/**
 * The rotary tables of a model: one for each different {@link Rotation} of its layers. They have equal rows.
 *
 * <p>With longrope, the frequencies depend on the number of tokens of a sequence, as in transformers when it reads the
 * sequence alone. The row of a position is then chosen on the host, and kernels read the tables as any other.
 */
final class RotaryTables implements AutoCloseable {
    private final Map<Rotation, RotaryTable> tables = new LinkedHashMap<>();
    private final int shortLength;

    RotaryTables(Device device, Architecture architecture) {
        shortLength = architecture.shortLength();
        boolean hasLong = shortLength < Integer.MAX_VALUE;
        for (LayerAttention layer : architecture.attention().layers()) {
            Rotation rotation = layer.rotation();
            if (rotation != null) {
                tables.computeIfAbsent(
                        rotation, absent -> new RotaryTable(device, absent, architecture.maxPositions(), hasLong));
            }
        }
    }

    /** The table of a layer; null if it has no rotation. */
    @Nullable
    RotaryTable forLayer(LayerAttention layer) {
        return layer.rotation() == null ? null : Objects.requireNonNull(tables.get(layer.rotation()));
    }

    /**
     * Extends all tables to the positions of a batch, which must not exceed the model's. Returns the row of the tables
     * for each row of the batch.
     */
    int[] reserve(PackedBatch batch) {
        tables.values().forEach(table -> table.reserve(batch.positionsEnd()));
        return shortLength < Integer.MAX_VALUE ? rowsByLength(batch) : batch.positions();
    }

    private int[] rowsByLength(PackedBatch batch) {
        int longRow = tables.values().iterator().next().longRow();
        int[] rows = batch.positions().clone();
        for (int i = 0; i < batch.sequenceLengths().length; i++) {
            if (batch.sequenceLengths()[i] > shortLength) {
                Segment segment = batch.segments().get(i);
                int begin = segment.queryBegin();
                for (int row = begin; row < begin + segment.queryCount(); row++) {
                    rows[row] += longRow;
                }
            }
        }
        return rows;
    }

    /** Bytes of device memory for positions below {@code end}. Allocates nothing. */
    long bytes(int end) {
        return tables.values().stream().mapToLong(table -> table.bytes(end)).sum();
    }

    /** The addresses and rows of all tables. */
    List<Rope.Table> addresses() {
        return tables.values().stream().map(RotaryTable::table).toList();
    }

    @Override
    public void close() {
        tables.values().forEach(RotaryTable::close);
    }
}
