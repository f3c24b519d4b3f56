package org.dpo4j.data.stats;

import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * Statistics as one HTML page that needs no other file: tables, and the histogram as SVG with its numbers in a table too, for
 * readers who do not see it.
 */
public final class StatisticsPage {
    private static final int WIDTH = 720;
    private static final int BAR = 18;
    private static final int LABEL = 140;

    private static final String STYLE = """
        body { font-family: sans-serif; line-height: 1.5; max-width: 50rem; margin: 2rem auto; padding: 0 1rem;
               color: #1b1b1b; background: #ffffff; }
        table { border-collapse: collapse; margin: 1rem 0; }
        caption { text-align: left; font-weight: bold; padding: 0.25rem 0; }
        th, td { border: 1px solid #767676; padding: 0.25rem 0.6rem; text-align: left; }
        td.number { text-align: right; }
        svg { max-width: 100%; height: auto; }
        svg text { font-size: 12px; fill: #1b1b1b; }
        svg rect { fill: #1f5fa8; }
        """;

    private StatisticsPage() {}

    /** The page. {@code name} is that of the data set. */
    public static String html(String name, DatasetStatistics statistics) {
        String title = "Statistics of " + escaped(name);
        return "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                + "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>" + title
                + "</title>\n<style>\n" + STYLE + "</style>\n</head>\n<body>\n<main>\n<h1>" + title + "</h1>\n"
                + facts(statistics.facts()) + lengths(statistics) + histogram(statistics)
                + "</main>\n</body>\n</html>\n";
    }

    private static String facts(Map<String, String> facts) {
        StringBuilder table = new StringBuilder("<table>\n<caption>Rows</caption>\n");
        facts.forEach((name, value) -> table.append("<tr><th scope=\"row\">")
                .append(escaped(name))
                .append("</th><td>")
                .append(escaped(value))
                .append("</td></tr>\n"));
        return table + "</table>\n";
    }

    private static String lengths(DatasetStatistics statistics) {
        StringBuilder table =
                new StringBuilder("<table>\n<caption>Lengths in " + statistics.unit() + "</caption>\n<tr><td></td>");
        StatisticsText.names()
                .forEach(each -> table.append("<th scope=\"col\">").append(each).append("</th>"));
        table.append("</tr>\n");
        statistics.lengths().forEach((name, lengths) -> {
            table.append("<tr><th scope=\"row\">").append(name).append("</th>");
            numbers(table, StatisticsText.cells(lengths));
        });
        return table + "</table>\n";
    }

    private static void numbers(StringBuilder table, List<String> cells) {
        cells.forEach(cell -> table.append("<td class=\"number\">").append(cell).append("</td>"));
        table.append("</tr>\n");
    }

    private static String histogram(DatasetStatistics statistics) {
        Lengths.Bin[] bins = statistics.total().histogram();
        String caption = "Rows by " + statistics.unit() + " of prompt and longest completion";
        StringBuilder svg = new StringBuilder(String.format(
                Locale.ROOT,
                "<h2 id=\"histogram\">%s</h2>%n<svg role=\"img\" aria-labelledby=\"histogram\" viewBox=\"0 0 %d %d\""
                        + " width=\"%d\">%n",
                caption,
                WIDTH,
                BAR * bins.length,
                WIDTH));
        StringBuilder table =
                new StringBuilder("<details>\n<summary>The same as a table</summary>\n<table>\n<caption>" + caption
                        + "</caption>\n<tr><th scope=\"col\">from</th><th scope=\"col\">to</th>"
                        + "<th scope=\"col\">rows</th></tr>\n");
        int max = 1;
        for (Lengths.Bin bin : bins) {
            max = Math.max(max, bin.rows());
        }
        for (int i = 0; i < bins.length; i++) {
            svg.append(bar(bins[i], i * BAR, max));
            table.append("<tr>");
            numbers(
                    table,
                    List.of(
                            Integer.toString(bins[i].from()),
                            Integer.toString(bins[i].to()),
                            Integer.toString(bins[i].rows())));
        }
        return svg + "</svg>\n" + table + "</table>\n</details>\n";
    }

    private static String bar(Lengths.Bin bin, int top, int max) {
        double width = (double) (WIDTH - LABEL - 80) * bin.rows() / max;
        return String.format(
                Locale.ROOT,
                "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%d-%d</text><rect x=\"%d\" y=\"%d\" width=\"%.1f\""
                        + " height=\"%d\"/><text x=\"%.1f\" y=\"%d\">%d</text>%n",
                LABEL - 8,
                top + BAR - 5,
                bin.from(),
                bin.to(),
                LABEL,
                top + 1,
                width,
                BAR - 2,
                LABEL + width + 6,
                top + BAR - 5,
                bin.rows());
    }

    private static String escaped(String text) {
        return text.replace("&", "&amp;")
                .replace("<", "&lt;")
                .replace(">", "&gt;")
                .replace("\"", "&quot;");
    }
}
