package org.dpo4j.report.html;

import static org.dpo4j.io.HtmlText.escaped;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;
import org.dpo4j.report.record.RecordedRun;

/**
 * A report of one run, or a comparison of several, as one HTML page that needs no other file, no network and no script. A
 * policy in the page forbids scripts and requests, and all text of data is escaped.
 */
public final class ReportPage {
    /** Colours of lines in report.css. */
    static final int COLORS = 8;

    private static final String HEAD = """
        <!DOCTYPE html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta name="color-scheme" content="light dark">
        <meta name="generator" content="dpo4j">
        <link rel="icon" href="data:,">
        <title>%s</title>
        <style>
        %s</style>
        </head>
        <body>
        <a class="skip" href="#main">Skip to the report</a>
        """;

    private ReportPage() {}

    /** The page of these runs, which are at least one. */
    public static String html(List<RecordedRun> runs) {
        return runs.size() == 1 ? one(runs.get(0)) : several(runs);
    }

    private static String one(RecordedRun run) {
        Map<String, String> sections = new LinkedHashMap<>();
        sections.put("Diagnoses", Sections.notes(run.record()));
        sections.put("Charts", charts(List.of(run), List.of(run.name())));
        sections.put("Samples", Sections.samples(run.samples()));
        sections.put("Data", Sections.data(run.record()));
        sections.put("Setup", Sections.setup(run.record()));
        sections.put("Memory", Sections.memory(run.record().memory()));
        sections.put("Options", Sections.table(run.record().options()));
        return page(run.name() + ", training report", Heading.html(run), Summary.html(run), sections, run);
    }

    private static String several(List<RecordedRun> runs) {
        List<String> names = Comparison.names(runs);
        Map<String, String> sections = new LinkedHashMap<>();
        sections.put("Options that differ", Comparison.options(runs, names));
        sections.put("Charts", charts(runs, names));
        sections.put("Diagnoses", Comparison.notes(runs, names));
        sections.put("Data that differs", Comparison.facts(runs, names));
        return page(
                "Comparison of " + runs.size() + " runs",
                Comparison.heading(runs),
                Comparison.table(runs, names),
                sections,
                runs.get(0));
    }

    private static String page(
            String title, String heading, String summary, Map<String, String> sections, RecordedRun run) {
        sections.values().removeIf(String::isEmpty);
        StringBuilder html = new StringBuilder(HEAD.formatted(escaped(title), style()));
        html.append("<header>\n")
                .append(heading)
                .append(navigation(sections))
                .append("</header>\n<main id=\"main\" tabindex=\"-1\">\n");
        html.append(summary);
        sections.forEach((name, content) -> html.append("<section aria-labelledby=\"")
                .append(id(name))
                .append("\">\n<h2 id=\"")
                .append(id(name))
                .append("\">")
                .append(name)
                .append("</h2>\n")
                .append(content)
                .append("</section>\n"));
        String software = run.record().software().entrySet().stream()
                .map(version -> version.getKey() + " " + version.getValue())
                .collect(Collectors.joining(" · "));
        return html.append("</main>\n<footer>")
                .append(escaped(software.isEmpty() ? "dpo4j" : software))
                .append("</footer>\n</body>\n</html>\n")
                .toString();
    }

    private static String navigation(Map<String, String> sections) {
        return sections.keySet().stream()
                .map(name -> "<li><a href=\"#" + id(name) + "\">" + name + "</a></li>")
                .collect(Collectors.joining("", "<nav aria-label=\"Sections\"><ul>", "</ul></nav>\n"));
    }

    private static String id(String section) {
        return section.toLowerCase(Locale.ROOT).replace(' ', '-');
    }

    private static String charts(List<RecordedRun> runs, List<String> names) {
        String figures =
                RunCharts.charts(runs, names).stream().map(ChartFigure::html).collect(Collectors.joining());
        return figures.isEmpty() ? "" : "<div class=\"charts\">\n" + figures + "</div>\n";
    }

    private static String style() {
        try (InputStream css = ReportPage.class.getResourceAsStream("report.css")) {
            if (css == null) {
                throw new IllegalStateException("report.css is missing in the jar");
            }
            return new String(css.readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
