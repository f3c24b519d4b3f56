package org.dpo4j.train;

import java.util.Locale;
import java.util.Set;
import org.dpo4j.kernels.Dpo4jException;

/** Reads {@code optim_args} for an optimizer, as transformers does. Throws, naming the key, if a value is not allowed. */
record OptimizerArgs(OptimizerName optim, OptionMap values) {
    private static final Set<String> TRUE = Set.of("true", "1", "yes");
    private static final Set<String> FALSE = Set.of("false", "0", "no");

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

    double number(String key, double absent, double end) {
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
