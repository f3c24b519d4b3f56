package org.dpo4j.report.html;

import static org.dpo4j.io.HtmlText.escaped;

import java.util.DoubleSummaryStatistics;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.dpo4j.report.html.Series.Point;
import org.jspecify.annotations.Nullable;

/**
 * A chart as an HTML figure. The lines are SVG that is stretched to the width of the page; the labels are HTML, so they
 * keep their size. Below it are the values as a table.
 */
final class ChartFigure {
    /** Lines with more points are reduced. */
    private static final int MAX_POINTS = 200;
    /** Points of all lines of a chart. */
    private static final int MAX_POINTS_OF_ALL = 800;
    /** Maximum points that are drawn as dots; more dots would touch each other. */
    private static final int MAX_DOTS = 60;
    /** Rows of the table, and areas that show values under the pointer. */
    private static final int MAX_ROWS = 100;
    /** Width and height of the SVG's coordinates. */
    private static final int SIZE = 1000;

    private static final int STEP_TICKS = 5;
    private static final int VALUE_TICKS = 5;

    private final Chart chart;
    private final List<Series> series;
    private final SortedMap<Integer, @Nullable Point[]> rows;
    private final Axis steps;
    private final Axis values;

    private ChartFigure(Chart chart) {
        this.chart = chart;
        int count = Math.max(
                20, Math.min(MAX_POINTS, MAX_POINTS_OF_ALL / chart.series().size()));
        this.series = chart.series().stream().map(each -> each.reduced(count)).toList();
        this.rows = rows(chart.series());
        DoubleSummaryStatistics range = new DoubleSummaryStatistics();
        series.stream()
                .flatMap(each -> each.points().stream())
                .filter(Point::isFinite)
                .forEach(point -> {
                    range.accept(point.min());
                    range.accept(point.max());
                });
        boolean isEmpty = range.getCount() == 0;
        this.values = Axis.wide(isEmpty ? 0 : range.getMin(), isEmpty ? 1 : range.getMax(), VALUE_TICKS);
        this.steps = Axis.exact(Math.min(0, rows.firstKey()), rows.lastKey(), STEP_TICKS);
    }

    /** The figure of a chart that has at least one point. */
    static String html(Chart chart) {
        ChartFigure figure = new ChartFigure(chart);
        String id = escaped(chart.id());
        return "<figure class=\"chart\" id=\"" + id + "\">\n<figcaption><h3>" + escaped(chart.title()) + "</h3>"
                + (chart.note().isEmpty() ? "" : "<p>" + escaped(chart.note()) + "</p>") + "</figcaption>\n"
                + figure.legend() + figure.plot() + figure.table() + "</figure>\n";
    }

    private String legend() {
        if (series.size() < 2) {
            return "";
        }
        return series.stream()
                .map(each -> "<li><svg viewBox=\"0 0 24 8\" aria-hidden=\"true\"><path class=\"" + css(each)
                        + "\" d=\"M1 4h22\"/></svg>" + escaped(each.name()) + "</li>")
                .collect(Collectors.joining("", "<ul class=\"legend\">", "</ul>\n"));
    }

    private static String css(Series series) {
        return "line c" + series.color() % ReportPage.COLORS + (series.isDashed() ? " dashed" : "");
    }

    private String plot() {
        StringBuilder html = new StringBuilder();
        html.append("<div class=\"plot\" role=\"img\" aria-label=\"")
                .append(escaped(summary()))
                .append("\">\n<div class=\"values\">");
        for (double tick : values.ticks()) {
            html.append(String.format(
                    Locale.ROOT, "<span style=\"bottom:%.2f%%\">%s</span>", 100 * values.place(tick), label(tick)));
        }
        html.append("</div>\n<svg viewBox=\"0 0 1000 1000\" preserveAspectRatio=\"none\">");
        for (double tick : values.ticks()) {
            html.append(String.format(Locale.ROOT, "<path class=\"grid\" d=\"M0 %sH1000\"/>", y(tick)));
        }
        series.forEach(each -> html.append(lines(each)));
        html.append(bands()).append("</svg>\n<div class=\"steps\">");
        for (double tick : steps.ticks()) {
            html.append(String.format(
                    Locale.ROOT, "<span style=\"left:%.2f%%\">%s</span>", 100 * steps.place(tick), steps.label(tick)));
        }
        return html + "<b>step</b></div>\n</div>\n";
    }

    private String label(double tick) {
        return chart.isShare()
                ? new Axis(100 * values.low(), 100 * values.high(), 100 * values.step()).label(100 * tick) + "%"
                : values.label(tick);
    }

    private String lines(Series each) {
        StringBuilder line = new StringBuilder();
        StringBuilder dots = new StringBuilder();
        boolean isBegun = false;
        for (Point point : each.points()) {
            if (!point.isFinite()) {
                isBegun = false;
                continue;
            }
            String place = x(point.step()) + " " + y(point.value());
            line.append(isBegun ? "L" : "M").append(place);
            dots.append("M").append(place).append("h0");
            isBegun = true;
        }
        String color = " c" + each.color() % ReportPage.COLORS;
        return (each.isReduced() ? "<path class=\"range" + color + "\" d=\"" + area(each) + "\"/>" : "")
                + "<path class=\"" + css(each) + "\" data-points=\""
                + each.points().size() + "\" d=\"" + line + "\"/>"
                + (each.points().size() <= MAX_DOTS ? "<path class=\"dots" + color + "\" d=\"" + dots + "\"/>" : "");
    }

    /** The area between minimum and maximum. */
    private String area(Series each) {
        StringBuilder area = new StringBuilder();
        List<Point> finite = each.points().stream().filter(Point::isFinite).toList();
        for (Point point : finite) {
            area.append(area.isEmpty() ? "M" : "L")
                    .append(x(point.step()))
                    .append(" ")
                    .append(y(point.max()));
        }
        for (int i = finite.size() - 1; i >= 0; i--) {
            area.append("L")
                    .append(x(finite.get(i).step()))
                    .append(" ")
                    .append(y(finite.get(i).min()));
        }
        return area + "Z";
    }

    /** Invisible areas, one for each row of the table, whose titles are its values. */
    private String bands() {
        StringBuilder bands = new StringBuilder();
        double from = steps.place(steps.low());
        List<Map.Entry<Integer, @Nullable Point[]>> shown = List.copyOf(rows.entrySet());
        for (int i = 0; i < shown.size(); i++) {
            int step = shown.get(i).getKey();
            double to = i + 1 < shown.size()
                    ? steps.place((step + (double) shown.get(i + 1).getKey()) / 2)
                    : 1;
            bands.append(String.format(
                    Locale.ROOT,
                    "<rect class=\"band\" x=\"%s\" y=\"0\" width=\"%s\" height=\"1000\"><title>step %,d",
                    place(from),
                    place(to - from),
                    step));
            @Nullable Point[] row = shown.get(i).getValue();
            for (int j = 0; j < row.length; j++) {
                if (row[j] != null) {
                    bands.append("\n")
                            .append(escaped(series.get(j).name()))
                            .append(" ")
                            .append(written(row[j].value()));
                }
            }
            bands.append("</title></rect>");
            from = to;
        }
        return bands.toString();
    }

    private String table() {
        StringBuilder table = new StringBuilder("<details><summary>Values<span class=\"hidden\"> of "
                + escaped(chart.title()) + "</span></summary>\n<div class=\"scroll\" tabindex=\"0\" role=\"region\""
                + " aria-label=\"Values of " + escaped(chart.title())
                + "\"><table><thead><tr><th scope=\"col\">step</th>");
        series.forEach(each ->
                table.append("<th scope=\"col\">").append(escaped(each.name())).append("</th>"));
        table.append("</tr></thead><tbody>\n");
        rows.forEach((step, row) -> {
            table.append("<tr><th scope=\"row\">").append(step).append("</th>");
            for (Point point : row) {
                table.append("<td>")
                        .append(point == null ? "" : written(point.value()))
                        .append("</td>");
            }
            table.append("</tr>\n");
        });
        return table + "</tbody></table></div></details>\n";
    }

    /** The points of all lines by step. Of many, those of a hundred steps, the last included. */
    private static SortedMap<Integer, @Nullable Point[]> rows(List<Series> series) {
        SortedMap<Integer, @Nullable Point[]> all = new TreeMap<>();
        for (int i = 0; i < series.size(); i++) {
            for (Point point : series.get(i).points()) {
                all.computeIfAbsent(point.step(), step -> new Point[series.size()])[i] = point;
            }
        }
        if (all.size() <= MAX_ROWS) {
            return all;
        }
        SortedMap<Integer, @Nullable Point[]> some = new TreeMap<>();
        List<Map.Entry<Integer, @Nullable Point[]>> entries = List.copyOf(all.entrySet());
        for (int i = 0; i < MAX_ROWS; i++) {
            Map.Entry<Integer, @Nullable Point[]> entry = entries.get((int) ((i + 1L) * entries.size() / MAX_ROWS) - 1);
            some.put(entry.getKey(), entry.getValue());
        }
        return some;
    }

    /** One sentence for readers who do not see the chart. */
    private String summary() {
        return chart.series().stream()
                .map(each -> {
                    List<Point> points = each.points();
                    Point first = points.get(0);
                    Point last = points.get(points.size() - 1);
                    return each.name() + " from " + written(first.value()) + " at step " + first.step() + " to "
                            + written(last.value()) + " at step " + last.step();
                })
                .collect(Collectors.joining("; ", chart.title() + " by step: ", ""));
    }

    private String written(double value) {
        return Numbers.written(value, chart.isShare());
    }

    private String x(int step) {
        return place(steps.place(step));
    }

    private String y(double value) {
        return place(1 - values.place(value));
    }

    /** A place from 0 to 1 in the SVG's coordinates, with a decimal if there is one. */
    private static String place(double share) {
        long tenths = Math.round(10 * SIZE * share);
        return tenths % 10 == 0 ? Long.toString(tenths / 10) : Double.toString(tenths / 10.0);
    }
}
