package org.dpo4j.kernels.decoder;

/** The numbers that the codes of {@link Quantize4bit} stand for, in units of the absmax: {@code bnb_4bit_quant_type} in bitsandbytes. */
public enum QuantType {
    /** 16 quantiles of a normal distribution (Dettmers et al. 2023). */
    NF4(0, new float[] {
        -1.0f,
        -0.6961928009986877f,
        -0.5250730514526367f,
        -0.39491748809814453f,
        -0.28444138169288635f,
        -0.18477343022823334f,
        -0.09105003625154495f,
        0.0f,
        0.07958029955625534f,
        0.16093020141124725f,
        0.24611230194568634f,
        0.33791524171829224f,
        0.44070982933044434f,
        0.5626170039176941f,
        0.7229568362236023f,
        1.0f
    }),
    /** A sign and eight magnitudes: floats of four bits, divided by 12. */
    FP4(1, new float[] {
        0.0f,
        0.0625f / 12,
        8.0f / 12,
        1.0f,
        4.0f / 12,
        0.5f,
        2.0f / 12,
        0.25f,
        -0.0f,
        -0.0625f / 12,
        -8.0f / 12,
        -1.0f,
        -4.0f / 12,
        -0.5f,
        -2.0f / 12,
        -0.25f
    });

    private final int code;
    private final float[] map;

    QuantType(int code, float[] map) {
        this.code = code;
        this.map = map;
    }

    /** The {@code dpo4j_quant_type} of the C header. */
    public int code() {
        return code;
    }

    /** The 16 numbers, by code. */
    public float[] map() {
        return map.clone();
    }
}
