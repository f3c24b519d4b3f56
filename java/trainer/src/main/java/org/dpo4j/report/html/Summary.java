package org.dpo4j.report.html;

import static org.dpo4j.io.HtmlText.escaped;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.dpo4j.report.html.Series.Point;
import org.dpo4j.report.record.RecordedRun;

/** The most important numbers of a run, each with where it came from. */
final class Summary {

    /**
     * A number of the summary.
     *
     * @param name what it is called
     * @param metric its metric
     * @param isShare whether it is shown in percent
     */
    record Number(String name, String metric, boolean isShare) {}

    static final List<Number> NUMBERS = List.of(
            new Number("Loss", "loss", false),
            new Number("Reward margin", "rewards/margins", false),
            new Number("Accuracy", "rewards/accuracies", true),
            new Number("KL", "kl", false),
            new Number("Token accuracy", "mean_token_accuracy", true));

    private static final Map<String, String> SPEEDS =
            Map.of("pairs_per_second", "Pairs per second", "sequences_per_second", "Sequences per second");

    private Summary() {}

    static String html(RecordedRun run) {
        StringBuilder tiles = new StringBuilder();
        RunMetrics metrics = new RunMetrics(run);
        for (Number number : NUMBERS) {
            tiles.append(tile(metrics, number));
        }
        SPEEDS.forEach((metric, name) -> {
            List<Point> points = metrics.points("", metric);
            if (!points.isEmpty()) {
                tiles.append(tile(name, Numbers.written(median(points), false), List.of("median")));
            }
        });
        return tiles.isEmpty() ? "" : "<dl class=\"tiles\">\n" + tiles + "</dl>\n";
    }

    /** The last value of training, or else of the first evaluation set, and those of evaluation sets below it. */
    private static String tile(RunMetrics metrics, Number number) {
        List<Point> training = metrics.points("", number.metric);
        List<String> sets = metrics.evaluationSets().stream()
                .filter(set -> !metrics.points(set, number.metric).isEmpty())
                .toList();
        if (training.isEmpty() && sets.isEmpty()) {
            return "";
        }
        List<String> others = new ArrayList<>();
        if (training.size() > 1) {
            others.add("from " + written(training.get(0), number));
        }
        List<String> below = training.isEmpty() ? sets.subList(1, sets.size()) : sets;
        below.forEach(set -> others.add(label(set) + " " + written(last(metrics.points(set, number.metric)), number)));
        return training.isEmpty()
                ? tile(
                        number.name + ", " + label(sets.get(0)),
                        written(last(metrics.points(sets.get(0), number.metric)), number),
                        others)
                : tile(number.name, written(last(training), number), others);
    }

    private static String label(String set) {
        return set.equals("eval") ? "evaluation" : set;
    }

    private static Point last(List<Point> points) {
        return points.get(points.size() - 1);
    }

    private static String written(Point point, Number number) {
        return Numbers.written(point.value(), number.isShare);
    }

    /** A number, and below it in small print others that it is compared with. */
    private static String tile(String name, String value, List<String> others) {
        return others.stream()
                .map(other -> "<dd class=\"from\">" + escaped(other) + "</dd>")
                .collect(Collectors.joining(
                        "", "<div><dt>" + escaped(name) + "</dt><dd>" + escaped(value) + "</dd>", "</div>\n"));
    }

    private static double median(List<Point> points) {
        double[] sorted = points.stream().mapToDouble(Point::value).sorted().toArray();
        return sorted[sorted.length / 2];
    }
}
