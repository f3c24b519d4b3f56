package org.dpo4j.report.html;

import static org.dpo4j.io.HtmlText.escaped;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Pattern;
import org.dpo4j.report.record.RunRecord;
import org.dpo4j.report.record.Sample;

/** Sections of a run's page. A section without content is empty. */
final class Sections {
    /** Names of header facts that describe the rows. */
    private static final Pattern DATA = Pattern.compile(
            "(?i).*\\b(rows?|pairs?|sequences|columns?|tokens|dataset|eval|cut|left out|labels?|truncat|repeat).*");

    private Sections() {}

    static String notes(RunRecord record) {
        if (record.diagnoses().isEmpty() && record.notices().isEmpty()) {
            return "";
        }
        StringBuilder notes = new StringBuilder("<ul class=\"notes\">\n");
        record.diagnoses()
                .forEach(text -> notes.append("<li class=\"diagnosis\">")
                        .append(escaped(text))
                        .append("</li>\n"));
        record.notices().stream()
                .filter(text -> !record.diagnoses().contains(text))
                .forEach(text -> notes.append("<li>").append(escaped(text)).append("</li>\n"));
        return notes + "</ul>\n";
    }

    static String samples(List<Sample> samples) {
        if (samples.isEmpty()) {
            return "";
        }
        StringBuilder html = new StringBuilder("<div class=\"samples\">\n");
        for (Sample sample : samples) {
            html.append(
                            "<article class=\"card\"><div class=\"prompt\"><span class=\"label\">Prompt</span><span class=\"text\">")
                    .append(escaped(sample.prompt()))
                    .append("</span></div>\n<div class=\"answers\">");
            for (Sample.Answer answer : sample.answers()) {
                html.append("<div><span class=\"label\"><span>")
                        .append(escaped(answer.source()))
                        .append("</span>");
                Double reward = answer.reward();
                if (reward != null) {
                    html.append("<span>reward ")
                            .append(Numbers.written(reward, false))
                            .append("</span>");
                }
                html.append("</span><span class=\"text\">")
                        .append(escaped(answer.text()))
                        .append("</span></div>\n");
            }
            html.append("</div></article>\n");
        }
        return html + "</div>\n";
    }

    static String data(RunRecord record) {
        return table(facts(record, true));
    }

    static String setup(RunRecord record) {
        return table(facts(record, false));
    }

    private static Map<String, String> facts(RunRecord record, boolean isData) {
        Map<String, String> facts = new LinkedHashMap<>(record.facts());
        facts.keySet().removeIf(name -> DATA.matcher(name).matches() != isData);
        return facts;
    }

    /** Names and values. */
    static String table(Map<String, String> values) {
        if (values.isEmpty()) {
            return "";
        }
        StringBuilder table = new StringBuilder("<div class=\"card\"><table class=\"pairs\"><tbody>\n");
        values.forEach((name, value) -> table.append("<tr><th scope=\"row\">")
                .append(escaped(name))
                .append("</th><td class=\"text\">")
                .append(escaped(value))
                .append("</td></tr>\n"));
        return table + "</tbody></table></div>\n";
    }

    /** The planned device memory as a bar, and its parts as a table. */
    static String memory(Map<String, Long> parts) {
        long total = parts.values().stream().mapToLong(Long::longValue).sum();
        if (total <= 0) {
            return "";
        }
        StringBuilder bar = new StringBuilder("<div class=\"card\"><svg class=\"bar\" viewBox=\"0 0 1000 10\""
                + " preserveAspectRatio=\"none\" role=\"img\" aria-label=\"Planned device memory, "
                + Numbers.bytes(total)
                + "\">");
        StringBuilder rows = new StringBuilder(
                "<table><thead><tr><th scope=\"col\">planned device memory</th><th scope=\"col\">at most</th></tr></thead><tbody>\n");
        double from = 0;
        int color = 0;
        for (Map.Entry<String, Long> part : parts.entrySet()) {
            double width = 1000.0 * part.getValue() / total;
            int shown = color++ % ReportPage.COLORS;
            bar.append(String.format(
                    Locale.ROOT,
                    "<rect class=\"b%d\" x=\"%.2f\" y=\"0\" width=\"%.2f\" height=\"10\"><title>%s %s</title></rect>",
                    shown,
                    from,
                    width,
                    escaped(part.getKey()),
                    Numbers.bytes(part.getValue())));
            rows.append(
                            "<tr><th scope=\"row\"><svg class=\"key\" viewBox=\"0 0 1 1\" aria-hidden=\"true\"><rect class=\"b")
                    .append(shown)
                    .append("\" width=\"1\" height=\"1\"/></svg>")
                    .append(escaped(part.getKey()))
                    .append("</th><td>")
                    .append(Numbers.bytes(part.getValue()))
                    .append("</td></tr>\n");
            from += width;
        }
        return bar + "</svg>\n" + rows + "</tbody></table></div>\n";
    }
}
