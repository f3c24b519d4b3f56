package org.dpo4j.train;

import java.util.Locale;
import java.util.Optional;
import java.util.function.DoublePredicate;
import org.dpo4j.kernels.Dpo4jException;

/**
 * Ranges of numeric options, one constant per option, for the command line, config files and callers from Java. Upper
 * limits are far above any use; they keep products of these numbers from overflowing.
 */
public enum OptionRange {
    ADAM_BETA1(0, Math.nextDown(1.0), "at least 0 and below 1"),
    ADAM_BETA2(0, Math.nextDown(1.0), "at least 0 and below 1"),
    ADAM_EPSILON(1e-30, 1, "from 1e-30 to 1"),
    BATCH_TOKENS(1, 1_000_000),
    BETA(1e-30, 1e6, "from 1e-30 to 1e6"),
    CALIBRATION_BINS(1, 1000),
    DESIRABLE_WEIGHT(0, 1e6, "from 0 to 1e6"),
    EARLY_STOPPING_PATIENCE(1, 1_000_000_000),
    EARLY_STOPPING_THRESHOLD(0, 1e30, "from 0 to 1e30"),
    EMA_DECAY(0, Math.nextDown(1.0), "at least 0 and below 1"),
    EVAL_DELAY(0, 1_000_000_000, "from 0 to 1,000,000,000"),
    /** A value below 1 is a share of all steps. */
    EVAL_STEPS(
            Double.MIN_VALUE,
            1_000_000_000,
            "a whole number from 1 to 1,000,000,000, or a share between 0 and 1",
            OptionRange::isStepsOrShare),
    GENERATION_MAX_NEW_TOKENS(1, 1_000_000),
    GENERATION_NUM_PROMPTS(1, 256),
    GENERATION_TEMPERATURE(0, 1e6, "0, or from 1e-30 to 1e6", value -> value == 0 || value >= 1e-30),
    GRADIENT_ACCUMULATION_STEPS(1, 1_000_000),
    KL_MAX_NEW_TOKENS(1, 1_000_000_000),
    KL_SAMPLES(0, 1_000_000),
    LD_ALPHA(0, 1, "in [0, 1]"),
    LEARNING_RATE(0, 1e30, "from 0 to 1e30"),
    /** A value below 1 is a share of all steps. */
    LOGGING_STEPS(
            Double.MIN_VALUE,
            1_000_000_000,
            "a whole number from 1 to 1,000,000,000, or a share between 0 and 1",
            OptionRange::isStepsOrShare),
    LORA_ALPHA(1e-30, 1e30, "from 1e-30 to 1e30"),
    LORA_DROPOUT(0, 1, "in [0, 1]"),
    LORA_R(1, 65_536),
    MAX_COMPLETION_LENGTH(1, 1_000_000_000),
    MAX_GRAD_NORM(0, 1e30, "from 0 to 1e30"),
    MAX_LENGTH(2, 1_000_000_000),
    MAX_MINUTES(Double.MIN_VALUE, 1e9, "above 0 and at most 1e9"),
    MAX_NEW_TOKENS(1, 1_000_000_000),
    MAX_NONFINITE_STEPS(0, 1_000_000_000),
    MAX_PROMPT_LENGTH(1, 1_000_000_000),
    MAX_TOKENS_PER_BATCH(2, 1_000_000_000),
    MIN_NEW_TOKENS(0, 1_000_000_000),
    MIN_P(0, 1, "in [0, 1]"),
    MAX_RUNS(1, 1_000_000),
    MAX_STEPS(
            -1,
            1_000_000_000,
            "a whole number from 1 to 1,000,000,000, or -1 for num_train_epochs",
            value -> value != 0),
    NEFTUNE_NOISE_ALPHA(0, 1e6, "from 0 to 1e6"),
    NUM_RETURN_SEQUENCES(1, 1_000_000),
    NUM_TRAIN_EPOCHS(Double.MIN_VALUE, 1_000_000, "above 0 and at most 1,000,000"),
    PER_DEVICE_EVAL_BATCH_SIZE(1, 65_536),
    PER_DEVICE_TRAIN_BATCH_SIZE(1, 65_536),
    REF_MODEL_MIXUP_ALPHA(Double.MIN_VALUE, 1, "above 0 and at most 1"),
    REF_MODEL_SYNC_STEPS(1, 1_000_000_000),
    REPETITION_PENALTY(1e-6, 1e6, "from 1e-6 to 1e6"),
    /** A value below 1 is a share of all steps. */
    SAVE_STEPS(
            Double.MIN_VALUE,
            1_000_000_000,
            "a whole number from 1 to 1,000,000,000, or a share between 0 and 1",
            OptionRange::isStepsOrShare),
    SAVE_TOTAL_LIMIT(1, 1_000_000),
    SEED(Long.MIN_VALUE, Long.MAX_VALUE, "a whole number from -2^63 to 2^63 - 1"),
    SPLIT(Double.MIN_VALUE, Math.nextDown(1.0), "above 0 and below 1"),
    TEMPERATURE(0, 1e6, "0, or from 1e-30 to 1e6", value -> value == 0 || value >= 1e-30),
    TOP_K(0, 1_000_000_000),
    TOP_P(0, 1, "in [0, 1]"),
    UNDESIRABLE_WEIGHT(0, 1e6, "from 0 to 1e6"),
    /** A value below 1 is a share of all steps. */
    WARMUP_STEPS(0, 1_000_000_000, "from 0 to 1,000,000,000; below 1 it is a share of all steps"),
    WARMUP_RATIO(0, 1, "from 0 to 1"),
    WEIGHT_DECAY(0, 1e38, "from 0 to 1e38");

    private final double min;
    private final double max;
    private final String words;
    private final DoublePredicate isAllowed;

    OptionRange(long min, long max) {
        this(min, max, String.format(Locale.ROOT, "a whole number from %,d to %,d", min, max));
    }

    OptionRange(double min, double max, String words) {
        this(min, max, words, value -> true);
    }

    OptionRange(double min, double max, String words, DoublePredicate isAllowed) {
        this.min = min;
        this.max = max;
        this.words = words;
        this.isAllowed = isAllowed;
    }

    /** The range of an option; empty if it has none. */
    public static Optional<OptionRange> find(String option) {
        for (OptionRange range : values()) {
            if (range.option().equals(option)) {
                return Optional.of(range);
            }
        }
        return Optional.empty();
    }

    /** The range in words, to complete "it must be". */
    public String words() {
        return words;
    }

    /** The least value of the range. */
    public double min() {
        return min;
    }

    /** The greatest value of the range. */
    public double max() {
        return max;
    }

    private String option() {
        return name().toLowerCase(Locale.ROOT);
    }

    /** Throws, naming option, value and range, if the value is not in the range. */
    public void check(double value) {
        if (!(value >= min && value <= max) || !isAllowed.test(value)) {
            throw new Dpo4jException(option() + " is " + written(value) + "; it must be " + words);
        }
    }

    private static boolean isStepsOrShare(double value) {
        return value < 1 || value == Math.rint(value);
    }

    private static String written(double value) {
        boolean isWhole = value == Math.rint(value) && Math.abs(value) < 1e15;
        return isWhole ? Long.toString((long) value) : Double.toString(value);
    }
}
