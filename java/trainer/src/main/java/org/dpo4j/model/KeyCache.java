package org.dpo4j.model;

import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;

/** Keys and values of earlier tokens: per layer [rows, 2 keyWidth], where a row is keys, then values. */
final class KeyCache implements AutoCloseable {
    private final Device device;
    private Arena arena;
    private final int layers;
    private final int elementBytes;
    private final int width;
    private long base;
    private long layerBytes;
    private long rows;

    KeyCache(Device device, int layers, PaddedSizes sizes, DType dtype) {
        this.device = device;
        this.arena = new Arena(device);
        this.layers = layers;
        this.elementBytes = dtype.bytes();
        this.width = 2 * sizes.keyWidth();
    }

    /** Allocates memory for {@code rows} tokens. The content of all but the first {@code kept} rows is lost. */
    void reserve(long rows, long kept) {
        if (kept == 0) {
            place(rows);
        } else if (rows > this.rows) {
            Arena before = arena;
            long from = base;
            long fromLayerBytes = layerBytes;
            arena = new Arena(device);
            place(rows);
            for (int layer = 0; layer < layers; layer++) {
                device.copy(keys(layer), from + layer * fromLayerBytes, kept * width * elementBytes);
            }
            device.synchronize();
            before.close();
        }
    }

    private void place(long rows) {
        this.rows = rows;
        layerBytes = rows * width * elementBytes;
        base = arena.layout(layout -> layout.allocate(layerBytes * layers));
    }

    /** Bytes of the cache for {@code rows} tokens. */
    long bytes(long rows) {
        return Layout.bytes(layout -> layout.allocate(rows * width * elementBytes * layers));
    }

    /** Where the cache is. All its addresses follow. */
    record At(long base, long rows) {}

    At at() {
        return new At(base, rows);
    }

    /** Elements per row. */
    int width() {
        return width;
    }

    long rows() {
        return rows;
    }

    long keys(int layer) {
        return base + layer * layerBytes;
    }

    long values(int layer) {
        return keys(layer) + (long) width / 2 * elementBytes;
    }

    @Override
    public void close() {
        arena.close();
    }
}
