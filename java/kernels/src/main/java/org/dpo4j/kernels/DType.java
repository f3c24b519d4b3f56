package org.dpo4j.kernels;

/** Storage type of a tensor. Arithmetic is always fp32 or wider. */
public enum DType {
    /** IEEE binary32. */
    F32(0, 4),
    /** bfloat16: the upper half of a binary32, rounded to nearest even. */
    BF16(1, 2),
    /** IEEE binary16. Only for logits, in {@link TokenLogProb}. */
    F16(2, 2);

    private final int code;
    private final int bytes;

    DType(int code, int bytes) {
        this.code = code;
        this.bytes = bytes;
    }

    /** The {@code dpo4j_dtype} of the C header. */
    public int code() {
        return code;
    }

    /** Bytes of one element. */
    public int bytes() {
        return bytes;
    }
}
