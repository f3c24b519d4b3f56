package org.dpo4j.report.html;

import static org.dpo4j.io.HtmlText.escaped;

import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.dpo4j.report.record.RecordedRun;
import org.dpo4j.report.record.RunRecord.Outline;

/** The head of a run's page: its name, how it ended, and what was trained. */
final class Heading {
    private static final DateTimeFormatter DATE =
            DateTimeFormatter.ofPattern("yyyy-MM-dd HH:mm 'UTC'", Locale.ROOT).withZone(ZoneOffset.UTC);

    private Heading() {}

    static String html(RecordedRun run) {
        Outline outline = run.record().outline();
        String kind =
                outline.trainer().isEmpty() ? "Training run" : outline.trainer().toUpperCase(Locale.ROOT) + " run";
        String reason = outline.reason() == null
                ? ""
                : "<p class=\"reason\" role=\"note\">" + escaped(outline.reason()) + "</p>\n";
        return "<p class=\"kind\">" + escaped(kind) + "</p>\n<div class=\"title\"><h1>" + escaped(run.name()) + "</h1>"
                + chip(run) + "</div>\n<p class=\"facts\">" + escaped(String.join(" · ", facts(run))) + "</p>\n"
                + reason;
    }

    /** How the run ended, as a coloured word; nothing for a run without a record. */
    static String chip(RecordedRun run) {
        Outline outline = run.record().outline();
        return outline.started() == null
                ? ""
                : "<span class=\"chip " + escaped(outline.status().replaceFirst(" .*", "")) + "\">"
                        + escaped(outline.status()) + "</span>";
    }

    private static List<String> facts(RecordedRun run) {
        List<String> facts = new ArrayList<>();
        Outline outline = run.record().outline();
        String model = run.record().facts().get("model");
        if (model != null) {
            facts.add(model);
        }
        int done = Math.max(outline.step(), run.lastStep());
        facts.add(
                outline.steps() > 0 && done != outline.steps()
                        ? String.format(Locale.ROOT, "%,d of %,d steps", done, outline.steps())
                        : String.format(Locale.ROOT, "%,d steps", done));
        Instant started = outline.started();
        if (started != null) {
            facts.add("started " + DATE.format(started));
            Instant ended = outline.ended();
            if (ended != null) {
                facts.add("took " + Numbers.written(Duration.between(started, ended)));
            }
        }
        return facts;
    }
}
