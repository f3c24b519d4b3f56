package org.dpo4j.train;

import org.dpo4j.kernels.DType;

/** Storage of weights and activations, under PyTorch's names. */
public enum Precision {
    /** {@link DType#F32}. */
    FLOAT32("float32", DType.F32),
    /** {@link DType#BF16}. */
    BFLOAT16("bfloat16", DType.BF16);

    private final String option;
    private final DType storage;

    Precision(String option, DType storage) {
        this.option = option;
        this.storage = storage;
    }

    /** The precision stored as {@code storage}. */
    static Precision of(DType storage) {
        return storage == DType.BF16 ? BFLOAT16 : FLOAT32;
    }

    public DType storage() {
        return storage;
    }

    /** The value of {@code dtype}. */
    @Override
    public String toString() {
        return option;
    }
}
