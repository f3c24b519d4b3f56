package org.dpo4j.report.html;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.dpo4j.report.Metrics;
import org.dpo4j.report.html.Series.Point;
import org.dpo4j.report.record.RecordedRun;

/** The metrics of a run as points, those of training and of each evaluation set apart. */
final class RunMetrics {
    /** Log-ratios are not logged: they are rewards divided by beta. */
    static final String LOG_RATIO = "log-ratios/";

    private static final String EVAL = "eval_";
    private static final String REWARDS = "rewards/";

    /** Counters, and times of an evaluation. */
    private static final Set<String> NOT_SHOWN =
            Set.of("epoch", "num_tokens", "runtime", "samples_per_second", "steps_per_second");

    /** By set ("" is training, "eval" the evaluation set, others its name), then by metric. */
    private final Map<String, Map<String, List<Point>>> sets = new LinkedHashMap<>();

    RunMetrics(RecordedRun run) {
        Set<String> trained = new LinkedHashSet<>();
        run.metrics()
                .forEach(line -> line.values().keySet().stream()
                        .filter(name -> !name.startsWith(EVAL))
                        .forEach(trained::add));
        sets.put("", new LinkedHashMap<>());
        for (Metrics line : run.metrics()) {
            line.values().forEach((name, value) -> add(name, trained, new Point(line.step(), value)));
        }
        double beta = number(run.record().options().getOrDefault("beta", ""));
        if (beta > 0) {
            sets.values().forEach(metrics -> addLogRatios(metrics, beta));
        }
    }

    private void add(String name, Set<String> trained, Point point) {
        if (!name.startsWith(EVAL)) {
            put("", name, point);
            return;
        }
        String rest = name.substring(EVAL.length());
        for (int i = 0; i < rest.length() && !trained.contains(rest); i++) { // eval_NAME_loss of the set NAME
            String metric = rest.substring(i + 1);
            if (rest.charAt(i) == '_' && (trained.contains(metric) || NOT_SHOWN.contains(metric))) {
                put("eval " + rest.substring(0, i), metric, point);
                return;
            }
        }
        put("eval", rest, point);
    }

    private void put(String set, String metric, Point point) {
        if (!NOT_SHOWN.contains(metric)) {
            sets.computeIfAbsent(set, name -> new LinkedHashMap<>())
                    .computeIfAbsent(metric, name -> new ArrayList<>())
                    .add(point);
        }
    }

    private static void addLogRatios(Map<String, List<Point>> metrics, double beta) {
        for (String side : List.of("chosen", "rejected")) {
            List<Point> rewards = metrics.get(REWARDS + side);
            if (rewards != null) {
                metrics.put(
                        LOG_RATIO + side,
                        rewards.stream()
                                .map(point -> new Point(point.step(), point.value() / beta))
                                .toList());
            }
        }
    }

    private static double number(String text) {
        try {
            return Double.parseDouble(text);
        } catch (NumberFormatException e) {
            return Double.NaN;
        }
    }

    Set<String> sets() {
        return sets.keySet();
    }

    /** The evaluation sets. */
    List<String> evaluationSets() {
        return sets.keySet().stream().filter(set -> !set.isEmpty()).toList();
    }

    /** Names of all metrics, in the order in which they first occur. */
    Set<String> names() {
        Set<String> names = new LinkedHashSet<>();
        sets.values().forEach(metrics -> names.addAll(metrics.keySet()));
        return names;
    }

    /** The points of a metric; empty if the set does not have it. */
    List<Point> points(String set, String metric) {
        return sets.getOrDefault(set, Map.of()).getOrDefault(metric, List.of());
    }
}
