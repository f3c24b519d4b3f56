package org.dpo4j.model;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.decoder.Rope;
import org.dpo4j.model.family.Architecture;
import org.dpo4j.model.family.Architecture.LayerAttention;
import org.dpo4j.model.family.Rotation;
import org.jspecify.annotations.Nullable;

/** The rotary tables of a model: one for each different {@link Rotation} of its layers. */
final class RotaryTables implements AutoCloseable {
    private final Map<Rotation, RotaryTable> tables = new LinkedHashMap<>();

    RotaryTables(Device device, Architecture architecture) {
        for (LayerAttention layer : architecture.attention().layers()) {
            Rotation rotation = layer.rotation();
            if (rotation != null) {
                tables.computeIfAbsent(
                        rotation, absent -> new RotaryTable(device, absent, architecture.maxPositions()));
            }
        }
    }

    /** The table of a layer; null if it has no rotation. */
    @Nullable
    RotaryTable forLayer(LayerAttention layer) {
        return layer.rotation() == null ? null : Objects.requireNonNull(tables.get(layer.rotation()));
    }

    /** Extends all tables to positions below {@code end}, which must not exceed the model's positions. */
    void reserve(int end) {
        tables.values().forEach(table -> table.reserve(end));
    }

    /** Bytes of device memory of {@link #reserve}. Allocates nothing. */
    long bytes(int end) {
        return tables.values().stream().mapToLong(table -> table.bytes(end)).sum();
    }

    /** The addresses and positions of all tables. */
    List<Rope.Table> addresses() {
        return tables.values().stream().map(RotaryTable::table).toList();
    }

    @Override
    public void close() {
        tables.values().forEach(RotaryTable::close);
    }
}
