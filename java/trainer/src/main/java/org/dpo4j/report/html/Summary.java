package org.dpo4j.report.html;

import static org.dpo4j.io.HtmlText.escaped;

import java.util.List;
import java.util.Map;
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
        for (String set : metrics.sets()) {
            for (Number number : NUMBERS) {
                List<Point> points = metrics.points(set, number.metric);
                if (!points.isEmpty() && (set.isEmpty() || set.equals("eval"))) {
                    tiles.append(tile(set.isEmpty() ? number.name : number.name + ", evaluation", number, points));
                }
            }
        }
        SPEEDS.forEach((metric, name) -> {
            List<Point> points = metrics.points("", metric);
            if (!points.isEmpty()) {
                tiles.append(tile(name, Numbers.written(median(points), false), "median"));
            }
        });
        return tiles.isEmpty() ? "" : "<dl class=\"tiles\">\n" + tiles + "</dl>\n";
    }

    private static String tile(String name, Number number, List<Point> points) {
        Point first = points.get(0);
        Point last = points.get(points.size() - 1);
        String from = points.size() == 1 ? "at step " + last.step() : Numbers.written(first.value(), number.isShare);
        return tile(name, Numbers.written(last.value(), number.isShare), points.size() == 1 ? from : "from " + from);
    }

    private static String tile(String name, String value, String from) {
        return "<div><dt>" + escaped(name) + "</dt><dd>" + escaped(value) + "</dd><dd class=\"from\">" + escaped(from)
                + "</dd></div>\n";
    }

    private static double median(List<Point> points) {
        double[] sorted = points.stream().mapToDouble(Point::value).sorted().toArray();
        return sorted[sorted.length / 2];
    }
}
