package org.dpo4j.model;

import org.dpo4j.kernels.DType;

/** Storage of weights in a file, under PyTorch's names. */
public enum SavedDtype {
    /** IEEE binary32. */
    FLOAT32("float32", DType.F32),
    /** The upper half of a binary32. */
    BFLOAT16("bfloat16", DType.BF16),
    /** IEEE binary16. Its largest number is 65504. */
    FLOAT16("float16", DType.F16);

    /** The limit of {@link #FLOAT16}, for errors. */
    public static final String FLOAT16_RANGE = "65504, the largest number of float16";

    private final String option;
    private final DType storage;

    SavedDtype(String option, DType storage) {
        this.option = option;
        this.storage = storage;
    }

    /** The dtype with this name in a safetensors file. */
    static SavedDtype stored(String format) {
        for (SavedDtype dtype : values()) {
            if (dtype.format().equals(format)) {
                return dtype;
            }
        }
        throw new IllegalArgumentException(format);
    }

    /** The dtype of weights that are stored like this on a device. */
    public static SavedDtype stored(DType storage) {
        return stored(storage.name());
    }

    /** The name in safetensors files. */
    String format() {
        return storage.name();
    }

    /** The same under the kernels' name. */
    DType storage() {
        return storage;
    }

    /** PyTorch's name. */
    @Override
    public String toString() {
        return option;
    }
}
