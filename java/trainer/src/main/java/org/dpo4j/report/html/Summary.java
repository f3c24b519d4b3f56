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
            List<Point> training = metrics.points("", number.metric);
            List<Point> evaluation = metrics.points("eval", number.metric);
            if (!training.isEmpty()) {
                List<String> others = new ArrayList<>();
                if (training.size() > 1) {
                    others.add("from " + written(training.get(0), number));
                }
                if (!evaluation.isEmpty()) {
                    others.add("evaluation " + written(last(evaluation), number));
                }
                tiles.append(tile(number.name, written(last(training), number), others));
            } else if (!evaluation.isEmpty()) {
                tiles.append(tile(number.name + ", evaluation", written(last(evaluation), number), List.of()));
            }
        }
        SPEEDS.forEach((metric, name) -> {
            List<Point> points = metrics.points("", metric);
            if (!points.isEmpty()) {
                tiles.append(tile(name, Numbers.written(median(points), false), List.of("median")));
            }
        });
        return tiles.isEmpty() ? "" : "<dl class=\"tiles\">\n" + tiles + "</dl>\n";
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
