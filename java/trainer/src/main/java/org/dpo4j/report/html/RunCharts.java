package org.dpo4j.report.html;

import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import org.dpo4j.report.html.Panel.Line;
import org.dpo4j.report.html.Series.Point;
import org.dpo4j.report.record.RecordedRun;
import org.jspecify.annotations.Nullable;

/** The charts of one run, or of several runs in the same axes. */
final class RunCharts {
    private RunCharts() {}

    /** Charts of all metrics that some run has, the known ones first. */
    static List<Chart> charts(List<RecordedRun> runs, List<String> names) {
        List<RunMetrics> metrics = runs.stream().map(RunMetrics::new).toList();
        List<Chart> charts = new ArrayList<>();
        for (Panel panel : panels(metrics)) {
            for (Panel part : runs.size() == 1 ? List.of(panel) : panel.split()) {
                List<Series> series = new ArrayList<>();
                for (int run = 0; run < runs.size(); run++) {
                    add(series, part, metrics.get(run), runs.size() == 1 ? null : new Run(names.get(run), run));
                }
                if (!series.isEmpty()) {
                    charts.add(new Chart(part.title(), part.note(), part.isShare(), series));
                }
            }
        }
        return charts;
    }

    /** A run among several: its name, and its colour. */
    private record Run(String name, int color) {}

    private static void add(List<Series> series, Panel panel, RunMetrics metrics, @Nullable Run run) {
        for (int i = 0; i < panel.metrics().size(); i++) {
            Line line = panel.metrics().get(i);
            int set = 0;
            for (String name : metrics.sets()) {
                List<Point> points = metrics.points(name, line.metric());
                if (!points.isEmpty()) {
                    String own = run == null ? line.name() : run.name;
                    int color = run == null ? i + panel.metrics().size() * Math.max(0, set - 1) : run.color;
                    series.add(new Series(name.isEmpty() ? own : own + ", " + name, color, set > 0, points));
                }
                set++;
            }
        }
    }

    private static List<Panel> panels(List<RunMetrics> metrics) {
        List<Panel> panels = new ArrayList<>(Panel.KNOWN);
        Set<String> others = new LinkedHashSet<>();
        metrics.forEach(each -> others.addAll(each.names()));
        Panel.KNOWN.forEach(panel -> panel.metrics().forEach(line -> others.remove(line.metric())));
        Set<String> groups = others.stream().map(RunCharts::group).collect(Collectors.toCollection(LinkedHashSet::new));
        for (String group : groups) {
            List<Line> lines = others.stream()
                    .filter(name -> group(name).equals(group))
                    .map(name -> new Line(name, name.substring(name.lastIndexOf('/') + 1)))
                    .toList();
            panels.add(new Panel(group, "", false, lines));
        }
        return panels;
    }

    /** Metrics whose names begin alike, as {@code a/b} and {@code a/c}, are in one chart. */
    private static String group(String metric) {
        int slash = metric.lastIndexOf('/');
        return slash < 0 ? metric : metric.substring(0, slash);
    }
}
