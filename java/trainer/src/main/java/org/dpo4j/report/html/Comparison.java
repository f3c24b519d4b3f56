package org.dpo4j.report.html;

import static org.dpo4j.io.HtmlText.escaped;

import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.dpo4j.report.html.Series.Point;
import org.dpo4j.report.record.RecordedRun;
import org.dpo4j.report.record.RunRecord;

/** Tables of a page that compares runs. */
final class Comparison {
    private Comparison() {}

    /** The names of runs, made different by numbers if directories have the same name. */
    static List<String> names(List<RecordedRun> runs) {
        List<String> names = new ArrayList<>();
        for (RecordedRun run : runs) {
            String name = run.name();
            for (int i = 2; names.contains(name); i++) {
                name = run.name() + " (" + i + ")";
            }
            names.add(name);
        }
        return names;
    }

    static String heading(List<RecordedRun> runs) {
        String trainers = runs.stream()
                .map(run -> run.record().outline().trainer())
                .filter(trainer -> !trainer.isEmpty())
                .distinct()
                .collect(Collectors.joining(", "));
        return "<p class=\"kind\">" + escaped(trainers) + "</p>\n<h1>Comparison of " + runs.size() + " runs</h1>\n";
    }

    /** One row a run: its colour, how it ended, and its last numbers. */
    static String table(List<RecordedRun> runs, List<String> names) {
        List<RunMetrics> metrics = runs.stream().map(RunMetrics::new).toList();
        StringBuilder head = new StringBuilder(
                "<th scope=\"col\">run</th><th scope=\"col\">status</th><th scope=\"col\">last step</th>");
        List<StringBuilder> rows = new ArrayList<>();
        for (int i = 0; i < runs.size(); i++) {
            rows.add(new StringBuilder(
                            "<tr><th scope=\"row\"><svg class=\"key\" viewBox=\"0 0 1 1\" aria-hidden=\"true\"><rect class=\"b"
                                    + i % ReportPage.COLORS + "\" width=\"1\" height=\"1\"/></svg>")
                    .append(escaped(names.get(i)))
                    .append("</th><td>")
                    .append(Heading.chip(runs.get(i)))
                    .append("</td><td>")
                    .append(runs.get(i).lastStep())
                    .append("</td>"));
        }
        Set<String> sets = new LinkedHashSet<>(List.of(""));
        metrics.forEach(each -> sets.addAll(each.evaluationSets()));
        for (String set : sets) {
            for (Summary.Number number : Summary.NUMBERS) {
                if (metrics.stream()
                        .anyMatch(each -> !each.points(set, number.metric()).isEmpty())) {
                    head.append("<th scope=\"col\">")
                            .append(set.isEmpty() ? "" : escaped(set) + " ")
                            .append(escaped(number.name().toLowerCase(Locale.ROOT)))
                            .append("</th>");
                    for (int i = 0; i < runs.size(); i++) {
                        rows.get(i)
                                .append("<td>")
                                .append(last(metrics.get(i).points(set, number.metric()), number))
                                .append("</td>");
                    }
                }
            }
        }
        return "<div class=\"card runs\" style=\"margin-top:1.5rem\"><div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Runs\"><table><thead><tr>"
                + head
                + "</tr></thead><tbody>\n"
                + rows.stream().map(row -> row + "</tr>\n").collect(Collectors.joining())
                + "</tbody></table></div></div>\n";
    }

    private static String last(List<Point> points, Summary.Number number) {
        return points.isEmpty()
                ? ""
                : Numbers.written(points.get(points.size() - 1).value(), number.isShare());
    }

    static String options(List<RecordedRun> runs, List<String> names) {
        return differences(runs, names, RunRecord::options);
    }

    static String facts(List<RecordedRun> runs, List<String> names) {
        return differences(runs, names, RunRecord::facts);
    }

    /** The entries that are not the same in all runs, one column a run. */
    private static String differences(
            List<RecordedRun> runs, List<String> names, Function<RunRecord, Map<String, String>> values) {
        Set<String> keys = new LinkedHashSet<>();
        runs.forEach(run -> keys.addAll(values.apply(run.record()).keySet()));
        keys.removeIf(key -> runs.stream()
                        .map(run -> values.apply(run.record()).getOrDefault(key, ""))
                        .distinct()
                        .count()
                == 1);
        if (keys.isEmpty()) {
            return "";
        }
        StringBuilder table = new StringBuilder(
                "<div class=\"card\"><div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Differences\"><table><thead><tr><th></th>");
        names.forEach(
                name -> table.append("<th scope=\"col\">").append(escaped(name)).append("</th>"));
        table.append("</tr></thead><tbody>\n");
        for (String key : keys) {
            table.append("<tr><th scope=\"row\">").append(escaped(key)).append("</th>");
            runs.forEach(run -> table.append("<td>")
                    .append(escaped(values.apply(run.record()).getOrDefault(key, "")))
                    .append("</td>"));
            table.append("</tr>\n");
        }
        return table + "</tbody></table></div></div>\n";
    }

    static String notes(List<RecordedRun> runs, List<String> names) {
        StringBuilder html = new StringBuilder();
        for (int i = 0; i < runs.size(); i++) {
            String notes = Sections.notes(runs.get(i).record());
            if (!notes.isEmpty()) {
                html.append("<h3>")
                        .append(escaped(names.get(i)))
                        .append("</h3>\n")
                        .append(notes);
            }
        }
        return html.toString();
    }
}
