package org.dpo4j.train;

import java.util.List;

/**
 * An array of an optimizer's state. It begins as 0.
 *
 * @param name in checkpoints, PyTorch's if it has one
 * @param format F32, BF16 or U8, as safetensors call it
 */
record StateArray(String name, String format, long count) {

    long bytes() {
        int width = switch (format) {
            case "F32" -> Float.BYTES;
            case "BF16" -> Short.BYTES;
            case "U8" -> Byte.BYTES;
            default -> throw new IllegalArgumentException(format);
        };
        return width * count;
    }

    static long bytes(List<StateArray> arrays) {
        return arrays.stream().mapToLong(StateArray::bytes).sum();
    }
}
