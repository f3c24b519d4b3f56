package org.dpo4j.cli;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import org.dpo4j.report.RunHeader;

/** The rewards of a data set as a table for a terminal. */
final class RewardTable {
    private RewardTable() {}

    /** Of completions without a preference. */
    static String completions(Rewards rewards) {
        Map<String, String> facts = new LinkedHashMap<>();
        facts.put("completions", Integer.toString(rewards.policy().sums().length));
        facts.put("mean reward", number(rewards.mean(0, 1)));
        return new RunHeader(facts).toString();
    }

    /** Of pairs: means, accuracy, and accuracy by margin in {@code bins} bins. */
    static String pairs(Rewards rewards, int bins) {
        double[] margins = rewards.margins();
        Calibration calibration = Calibration.measure(margins, bins);
        long right = Arrays.stream(margins).filter(margin -> margin > 0).count();
        long ties = Arrays.stream(margins).filter(margin -> margin == 0).count();
        Map<String, String> facts = new LinkedHashMap<>();
        facts.put("pairs", Integer.toString(margins.length));
        facts.put("chosen", number(rewards.mean(0, 2)) + " mean reward");
        facts.put("rejected", number(rewards.mean(1, 2)) + " mean reward");
        facts.put("margin", number(Arrays.stream(margins).average().orElse(0)) + " mean");
        facts.put(
                "accuracy",
                number((double) right / margins.length) + "; the chosen answer has the larger reward in " + right
                        + " of " + margins.length + " pairs" + (ties == 0 ? "" : ", and an equal one in " + ties));
        facts.put(
                "loss",
                number(Arrays.stream(margins)
                                .map(margin -> Math.max(0, -margin) + Math.log1p(Math.exp(-Math.abs(margin))))
                                .average()
                                .orElse(0))
                        + " mean of -log sigmoid(margin)");
        facts.put("calibration error", number(calibration.error()) + " expected");
        return new RunHeader(facts) + "\n" + table(calibration);
    }

    private static String table(Calibration calibration) {
        StringBuilder text = new StringBuilder(
                String.format(Locale.ROOT, "%n%20s %12s %10s %8s", "|margin|", "confidence", "accuracy", "pairs"));
        for (Calibration.Bin bin : calibration.bins()) {
            String margins = String.format(Locale.ROOT, "%.3f to %.3f", bin.minMargin(), bin.maxMargin());
            if (Double.isInfinite(bin.maxMargin())) {
                margins = String.format(Locale.ROOT, "above %.3f", bin.minMargin());
            }
            text.append(String.format(
                    Locale.ROOT, "%n%20s %12.3f %10.3f %8d", margins, bin.confidence(), bin.accuracy(), bin.pairs()));
        }
        return text.toString();
    }

    private static String number(double value) {
        return String.format(Locale.ROOT, "%.4f", value);
    }
}
