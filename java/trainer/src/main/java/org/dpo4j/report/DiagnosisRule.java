package org.dpo4j.report;

import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/** The rules of {@link Diagnoses}. */
enum DiagnosisRule {
    /** All lines of the first quarter of a run have the loss of a policy that equals its reference. */
    LOSS_STUCK {
        @Override
        @Nullable
        String find(DiagnosedRun run, List<Metrics> lines) {
            boolean isEarly = lines.size() < MIN_LINES || 4L * step(lines) < run.steps();
            if (isEarly || !lines.stream().allMatch(DiagnosisRule::isAtLogTwo)) {
                return null;
            }
            return String.format(
                    Locale.ROOT,
                    "the loss is still ln 2 (%.4f) after %d of %d steps: the policy has hardly moved from its reference;"
                            + " raise learning_rate (it is %.3g)",
                    value(lines, lines.size() - 1, "loss"),
                    step(lines),
                    run.steps(),
                    value(lines, lines.size() - 1, "learning_rate"));
        }
    },

    /** The log-prob of chosen completions falls by more than chosen and rejected ones move apart. */
    CHOSEN_FALLS {
        @Override
        @Nullable
        String find(DiagnosedRun run, List<Metrics> lines) {
            for (int i = lines.size() - MIN_LINES; i < lines.size(); i++) {
                if (i < 1) {
                    return null;
                }
                double chosen = value(lines, i, "rewards/chosen");
                boolean falls = chosen < value(lines, i - 1, "rewards/chosen")
                        && value(lines, i, "rewards/rejected") < value(lines, i - 1, "rewards/rejected");
                if (!falls || !(chosen < -MIN_FALL && -chosen > value(lines, i, "rewards/margins"))) {
                    return null;
                }
            }
            return String.format(
                    Locale.ROOT,
                    "the log-prob of chosen completions falls together with that of rejected ones: the reward of the"
                            + " chosen is %.2f, the margin only %.2f; lower learning_rate, raise beta, or add an sft"
                            + " loss (loss_type sigmoid,sft)",
                    value(lines, lines.size() - 1, "rewards/chosen"),
                    value(lines, lines.size() - 1, "rewards/margins"));
        }
    },

    /** With the same reward per token, chosen and rejected completions would have nearly this margin by their lengths alone. */
    LENGTH_MARGIN {
        @Override
        @Nullable
        String find(DiagnosedRun run, List<Metrics> lines) {
            double difference = run.chosenTokens() - run.rejectedTokens();
            double all = run.chosenTokens() + run.rejectedTokens();
            if (lines.size() < MIN_LINES || all == 0 || Math.abs(difference) < MIN_LENGTH_DIFFERENCE * all) {
                return null;
            }
            double byLength = 0;
            for (int i = lines.size() - MIN_LINES; i < lines.size(); i++) {
                double margin = value(lines, i, "rewards/margins");
                double perToken = (value(lines, i, "rewards/chosen") + value(lines, i, "rewards/rejected")) / all;
                byLength = perToken * difference;
                if (!(margin > MIN_MARGIN && byLength > LENGTH_SHARE * margin)) {
                    return null;
                }
            }
            return String.format(
                    Locale.ROOT,
                    "the margin comes from length alone: chosen completions have %.0f tokens and rejected ones %.0f on"
                            + " average, and with the same reward per token the margin would be %.2f, it is %.2f; use"
                            + " ld_alpha, or a loss that divides by length (loss_type ipo or sigmoid_norm)",
                    run.chosenTokens(),
                    run.rejectedTokens(),
                    byLength,
                    value(lines, lines.size() - 1, "rewards/margins"));
        }
    },

    /** The policy prefers the chosen completion of every pair that it sees for the first time. */
    ACCURACY_AT_ONCE {
        @Override
        @Nullable
        String find(DiagnosedRun run, List<Metrics> lines) {
            if (lines.size() <= MIN_LINES || !(value(lines, lines.size() - 1, "epoch") <= 1)) {
                return null;
            }
            for (int i = 1; i < lines.size(); i++) {
                if (value(lines, i, "rewards/accuracies") != 1) {
                    return null;
                }
            }
            long pairs = (long) run.rowsPerStep() * (step(lines) - lines.get(0).step());
            return pairs < MIN_PAIRS
                    ? null
                    : "the accuracy is 1 from step " + (lines.get(0).step() + 1) + " on, on " + pairs
                            + " pairs that were not trained before: a trait such as length, format or a special token"
                            + " tells chosen from rejected completions; look at the rows (./dpo4j data)";
        }
    },

    /** Steps do not change the weights. */
    LEARNING_RATE_ZERO {
        @Override
        @Nullable
        String find(DiagnosedRun run, List<Metrics> lines) {
            int last = lines.size() - 1;
            boolean isZero = value(lines, last, "learning_rate") == 0
                    && step(lines) > 1
                    && (last == 0 || value(lines, last - 1, "learning_rate") == 0);
            return isZero
                    ? "the learning rate is 0, so steps do not change the weights; look at learning_rate,"
                            + " lr_scheduler_type and warmup_steps"
                    : null;
        }
    },

    /** Every gradient that was logged is longer than the limit. */
    ALWAYS_CLIPPED {
        @Override
        @Nullable
        String find(DiagnosedRun run, List<Metrics> lines) {
            boolean isClipped = run.maxGradNorm() > 0
                    && lines.size() == MIN_CLIPPED_LINES
                    && lines.stream().allMatch(line -> value(line, "grad_norm") > run.maxGradNorm());
            return isClipped
                    ? String.format(
                            Locale.ROOT,
                            "the gradient was clipped at every one of %d lines: its norm is %.3g, max_grad_norm %s; raise"
                                    + " max_grad_norm, or lower learning_rate if the loss is unsteady",
                            MIN_CLIPPED_LINES,
                            value(lines, lines.size() - 1, "grad_norm"),
                            run.maxGradNorm())
                    : null;
        }
    },

    /** The rewards of the first step are not 0. They are 0 if the reference has the initial weights of the policy. */
    OTHER_REFERENCE {
        @Override
        @Nullable
        String find(DiagnosedRun run, List<Metrics> lines) {
            if (run.hasNoise() || lines.size() > 1 || step(lines) != 1) {
                return null;
            }
            double chosen = value(lines, 0, "rewards/chosen");
            double rejected = value(lines, 0, "rewards/rejected");
            if (!(Math.abs(chosen) > MAX_FIRST_REWARD || Math.abs(rejected) > MAX_FIRST_REWARD)) {
                return null;
            }
            return String.format(
                    Locale.ROOT,
                    "the reference is another model than the one in training: before the first update the rewards are"
                            + " %.3f (chosen) and %.3f (rejected), not 0; if that is not meant, leave the reference log-probs"
                            + " of the rows, or the reference model, out",
                    chosen,
                    rejected);
        }
    };

    private static final int MIN_LINES = 3;
    private static final int MIN_CLIPPED_LINES = 20;
    private static final int MIN_PAIRS = 32;

    /** Distance of loss and margin from those of a policy that equals its reference. */
    private static final double MAX_DISTANCE = 1e-3;

    /** A reward of -0.5 at beta 0.1 is a log-prob that fell by 5. */
    private static final double MIN_FALL = 0.5;

    private static final double MIN_MARGIN = 0.1;
    private static final double LENGTH_SHARE = 0.9;
    private static final double MIN_LENGTH_DIFFERENCE = 0.05;

    /** Half a nat per completion at beta 0.1: log-probs of the same model in another precision differ less. */
    private static final double MAX_FIRST_REWARD = 0.05;

    /** What the last line shows, in words; null if the rule does not apply. */
    abstract @Nullable String find(DiagnosedRun run, List<Metrics> lines);

    private static boolean isAtLogTwo(Metrics line) {
        return Math.abs(value(line, "loss") - Math.log(2)) < MAX_DISTANCE
                && Math.abs(value(line, "rewards/margins")) < MAX_DISTANCE
                && value(line, "learning_rate") > 0;
    }

    private static int step(List<Metrics> lines) {
        return lines.get(lines.size() - 1).step();
    }

    private static double value(List<Metrics> lines, int line, String name) {
        return value(lines.get(line), name);
    }

    /** NaN if there is none: then no comparison holds. */
    private static double value(Metrics line, String name) {
        return line.values().getOrDefault(name, Double.NaN);
    }

    /** The name of the rule in {@link Diagnosis#rule}. */
    @Override
    public String toString() {
        return name().toLowerCase(Locale.ROOT);
    }
}
