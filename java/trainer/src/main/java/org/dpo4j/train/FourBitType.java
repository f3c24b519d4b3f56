package org.dpo4j.train;

import org.dpo4j.kernels.decoder.QuantType;

/** The values of {@code bnb_4bit_quant_type}. */
public enum FourBitType {
    /** {@link QuantType#NF4}. */
    NF4("nf4", QuantType.NF4),
    /** {@link QuantType#FP4}. */
    FP4("fp4", QuantType.FP4);

    private final String option;
    private final QuantType type;

    FourBitType(String option, QuantType type) {
        this.option = option;
        this.type = type;
    }

    QuantType type() {
        return type;
    }

    /** The value of {@code bnb_4bit_quant_type}. */
    @Override
    public String toString() {
        return option;
    }
}
