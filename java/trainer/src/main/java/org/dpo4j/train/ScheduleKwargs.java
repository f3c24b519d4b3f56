package org.dpo4j.train;

import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;

/** Reads {@code lr_scheduler_kwargs} for a schedule. Throws, naming the key, if a value is not allowed. */
record ScheduleKwargs(LrSchedulerType type, OptionMap values) {

    ScheduleKwargs {
        checkKeys(type, values);
    }

    /** Throws if the schedule does not read one of the keys. */
    static void checkKeys(LrSchedulerType type, OptionMap values) {
        for (String key : values.values().keySet()) {
            if (!type.kwargs().contains(key)) {
                throw new Dpo4jException("lr_scheduler_kwargs has " + key + ", which lr_scheduler_type " + type
                        + " does not read; it reads "
                        + (type.kwargs().isEmpty() ? "none" : String.join(", ", type.kwargs())));
            }
        }
    }

    boolean has(String key) {
        return values.values().get(key) != null;
    }

    double number(String key, double absent, double min, double max) {
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
        if (!(value >= min && value <= max)) {
            throw refusal(key, text, "a number from " + min + " to " + max);
        }
        return value;
    }

    /** A whole number from {@code min} to a billion. */
    int whole(String key, int absent, int min) {
        double value = number(key, absent, min, 1e9);
        if (value != Math.rint(value)) {
            throw refusal(key, values.values().get(key), "a whole number");
        }
        return (int) value;
    }

    /** A key that must be there. */
    int required(String key, int min) {
        if (!has(key)) {
            throw new Dpo4jException(
                    "lr_scheduler_type " + type + " needs " + key + "; give it in lr_scheduler_kwargs");
        }
        return whole(key, 0, min);
    }

    String choice(String key, String absent, String... allowed) {
        String text = values.values().get(key);
        if (text == null) {
            return absent;
        }
        for (String each : allowed) {
            if (each.equals(text)) {
                return text;
            }
        }
        throw refusal(key, text, "one of " + String.join(", ", allowed));
    }

    private static Dpo4jException refusal(String key, @Nullable String value, String words) {
        return new Dpo4jException("lr_scheduler_kwargs: " + key + " is " + value + "; it must be " + words);
    }
}
