package org.dpo4j.io.gguf;

/** A type of tensors, with ggml's number of it. Each row of a tensor is a whole number of blocks. */
public enum GgufType {
    F32(0, 1, 4),
    F16(1, 1, 2),
    /** Blocks of 32 numbers: a scale in float16, then a byte for each number. */
    Q8_0(8, 32, 34),
    BF16(30, 1, 2);

    private final int id;
    private final int blockElements;
    private final int blockBytes;

    GgufType(int id, int blockElements, int blockBytes) {
        this.id = id;
        this.blockElements = blockElements;
        this.blockBytes = blockBytes;
    }

    /** ggml's number. */
    public int id() {
        return id;
    }

    /** Elements that are stored together; rows must be a multiple of it. */
    public int blockElements() {
        return blockElements;
    }

    /** Bytes of a number of elements, which is a multiple of {@link #blockElements}. */
    public long bytes(long elements) {
        return Math.multiplyExact(elements / blockElements, (long) blockBytes);
    }
}
