package org.dpo4j.io.gguf;

import java.util.List;

/**
 * A tensor to be written.
 *
 * @param shape sizes with the rows first, as in safetensors; the file has them in the other order
 */
public record GgufTensor(String name, GgufType type, List<Long> shape) {
    public GgufTensor {
        shape = List.copyOf(shape);
    }

    /** Number of elements. */
    public long count() {
        return shape.stream().reduce(1L, Math::multiplyExact);
    }

    /** Bytes of all elements. */
    public long bytes() {
        return type.bytes(count());
    }
}
