package org.dpo4j.report.html;

import java.util.List;

/**
 * Which metrics a chart shows.
 *
 * @param title heading of the chart
 * @param note what the numbers are and their unit
 * @param isShare whether they are shares from 0 to 1
 * @param metrics names of metrics, each with what the legend calls it
 */
record Panel(String title, String note, boolean isShare, List<Line> metrics) {

    /**
     * A metric in a chart.
     *
     * @param metric name in metrics.jsonl, without {@code eval_}
     * @param name what the legend calls it
     */
    record Line(String metric, String name) {}

    /** What people look at first, in this order. Metrics that are not listed follow, each in a chart of its own. */
    static final List<Panel> KNOWN = List.of(
            new Panel("Loss", "mean per pair or token of the objective", false, List.of(new Line("loss", "loss"))),
            new Panel("Rewards", "beta times the log-ratio to the reference", false, both("rewards/")),
            new Panel("Reward margin", "reward of chosen minus rejected", false, one("rewards/margins", "margin")),
            new Panel(
                    "Accuracy",
                    "pairs whose chosen completion has the higher reward",
                    true,
                    one("rewards/accuracies", "accuracy")),
            new Panel(
                    "Log-ratio to the reference",
                    "log-prob minus that of the reference, in nats per completion of the data; the KL divergence is the mean of this over"
                            + " answers that the model samples, as sweep estimates it",
                    false,
                    both(RunMetrics.LOG_RATIO)),
            new Panel("KL", "to the reference, in nats", false, one("kl", "KL")),
            new Panel(
                    "Length bias",
                    "correlation of the reward margin with the length difference of chosen and rejected; near 1, the"
                            + " longer completion wins",
                    false,
                    one("lengths/margin_correlation", "correlation")),
            new Panel("Lengths", "tokens of a completion, on average", false, both("lengths/")),
            new Panel("Log-probs", "sum over the tokens of a completion, in nats", false, both("logps/")),
            new Panel("Learning rate", "", false, one("learning_rate", "learning rate")),
            new Panel("Gradient norm", "before clipping", false, one("grad_norm", "gradient norm")),
            new Panel("Throughput", "pairs per second", false, one("pairs_per_second", "pairs/s")),
            new Panel("Throughput of rows", "sequences per second", false, one("sequences_per_second", "sequences/s")),
            new Panel("Throughput of tokens", "tokens per second", false, one("tokens_per_second", "tokens/s")),
            new Panel(
                    "Memory",
                    "in use when the line was logged, in GiB",
                    false,
                    List.of(new Line("memory_gib/process", "process"), new Line("memory_gib/device", "device"))),
            new Panel(
                    "Utilisation",
                    "floating-point operations of the model, as a share of the device's peak",
                    true,
                    one("mfu", "MFU")),
            new Panel(
                    "Token accuracy",
                    "targets that have the highest logit",
                    true,
                    one("mean_token_accuracy", "token accuracy")),
            new Panel("Entropy", "of the predicted tokens, in nats", false, one("entropy", "entropy")),
            new Panel("Logits", "mean over the tokens of a completion", false, both("logits/")));

    private static List<Line> one(String metric, String name) {
        return List.of(new Line(metric, name));
    }

    private static List<Line> both(String prefix) {
        return List.of(new Line(prefix + "chosen", "chosen"), new Line(prefix + "rejected", "rejected"));
    }

    /** Charts of one line each, to compare runs. */
    List<Panel> split() {
        return metrics.size() == 1
                ? List.of(this)
                : metrics.stream()
                        .map(line -> new Panel(title + ", " + line.name, note, isShare, List.of(line)))
                        .toList();
    }
}
