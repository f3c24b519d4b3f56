package org.dpo4j.train;

import java.util.Locale;
import java.util.Set;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.kernels.decoder.RmsProp;

/** Reads {@code optim_args} for an optimizer, as transformers does. Throws, naming the key, if a value is not allowed. */
record OptimizerArgs(OptimizerName optim, OptionMap values) {
    private static final Set<String> TRUE = Set.of("true", "1", "yes");
    private static final Set<String> FALSE = Set.of("false", "0", "no");
    /** Far above any use. */
    private static final double MAX = 1e6;

    private static final double RMSPROP_ALPHA = 0.99;
    private static final double RMSPROP_EPSILON = 1e-8;

    OptimizerArgs {
        for (String key : values.values().keySet()) {
            if (key.equals("weight_decay")) {
                throw new Dpo4jException(
                        "optim_args has weight_decay, which transformers reads but does not apply, because"
                                + " the option weight_decay replaces it; set that");
            }
            if (!optim.args().contains(key)) {
                throw new Dpo4jException(
                        "optim_args has " + key + ", which optim " + optim + " does not read; it reads "
                                + (optim.args().isEmpty() ? "none" : String.join(", ", optim.args())));
            }
        }
    }

    /** Throws, naming the key, if the optimizer refuses a value. */
    void check() {
        checkSgd();
        rmsProp();
    }

    double momentum() {
        return number("momentum", 0, MAX);
    }

    double dampening() {
        return number("dampening", 0, MAX);
    }

    private void checkSgd() {
        if (flag("nesterov") && (momentum() == 0 || dampening() != 0)) {
            throw new Dpo4jException(
                    "optim_args: nesterov needs a momentum above 0 and no dampening; add momentum=0.9, or leave nesterov out");
        }
        if (dampening() != 0 && momentum() == 0) {
            throw new Dpo4jException(
                    "optim_args: dampening does nothing without momentum; add momentum=0.9, or leave dampening out");
        }
    }

    /** RMSprop's options without weight decay. Defaults are PyTorch's. */
    RmsProp.Options rmsProp() {
        flag("centered");
        double epsilon = number("eps", RMSPROP_EPSILON, MAX);
        if (epsilon == 0) {
            throw new Dpo4jException(
                    "optim_args: eps is 0; it must be above 0, because a gradient of 0 is divided by it");
        }
        return new RmsProp.Options(number("alpha", RMSPROP_ALPHA, 1), epsilon, momentum(), 0);
    }

    private double number(String key, double absent, double end) {
        String text = values.values().get(key);
        if (text == null) {
            return absent;
        }
        double value;
        try {
            value = Double.parseDouble(text);
        } catch (NumberFormatException e) {
            value = Double.NaN;
        }
        if (!(value >= 0 && value < end)) {
            throw new Dpo4jException("optim_args: " + key + " is " + text + "; it must be at least 0 and below " + end);
        }
        return value;
    }

    boolean flag(String key) {
        String text = values.values().get(key);
        if (text == null) {
            return false;
        }
        String lower = text.toLowerCase(Locale.ROOT);
        if (!TRUE.contains(lower) && !FALSE.contains(lower)) {
            throw new Dpo4jException("optim_args: " + key + " is " + text + "; it must be true or false");
        }
        return TRUE.contains(lower);
    }
}
