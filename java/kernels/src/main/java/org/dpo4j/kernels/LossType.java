package org.dpo4j.kernels;

import java.util.Arrays;
import java.util.stream.Collectors;

/** A preference loss, by the name TRL's {@code loss_type} gives it. */
public enum LossType {
    /** {@code -log sigmoid(beta ((pi_c - ref_c) - (pi_r - ref_r)))}: Rafailov et al. 2023, equation 7. */
    SIGMOID(0, "sigmoid");

    private final int code;
    private final String option;

    LossType(int code, String option) {
        this.code = code;
        this.option = option;
    }

    /** The {@code dpo4j_loss} of the C header. */
    public int code() {
        return code;
    }

    /** The value of {@code loss_type} that means this loss. */
    public String option() {
        return option;
    }

    /** The loss that an option names. An unknown name throws, listing the known ones. */
    public static LossType of(String option) {
        for (LossType type : values()) {
            if (type.option.equals(option)) {
                return type;
            }
        }
        String known = Arrays.stream(values()).map(LossType::option).collect(Collectors.joining(", "));
        throw new Dpo4jException("loss_type " + option + " is not supported: use one of " + known);
    }
}
