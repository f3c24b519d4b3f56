package org.dpo4j.model;

import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;

/** Keys and values of earlier tokens: per layer [rows, 2 keyWidth], where a row is keys, then values. */
final class KeyCache implements AutoCloseable {
    private final Arena arena;
    private final int layers;
    private final int elementBytes;
    private final int width;
    private long base;
    private long layerBytes;
    private long rows;

    KeyCache(Device device, int layers, PaddedSizes sizes, DType dtype) {
        this.arena = new Arena(device);
        this.layers = layers;
        this.elementBytes = dtype.bytes();
        this.width = 2 * sizes.keyWidth();
    }

    /** Allocates memory for {@code rows} tokens. The content is lost. */
    void reserve(long rows) {
        this.rows = rows;
        layerBytes = rows * width * elementBytes;
        base = arena.layout(layout -> layout.allocate(layerBytes * layers));
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
