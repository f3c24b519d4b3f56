package org.dpo4j.train;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CancellationException;
import java.util.stream.Collectors;
import org.dpo4j.report.CombinedListener;
import org.dpo4j.report.RunEnd;
import org.dpo4j.report.RunEnd.Status;
import org.dpo4j.report.RunListener;
import org.dpo4j.report.RunStart;
import org.dpo4j.report.card.ModelCard;
import org.dpo4j.report.html.ReportWriter;
import org.dpo4j.report.record.RunRecorder;

/**
 * What a run tells its listeners about its start and end, and the listeners that write its record and reports.
 *
 * @param trainer name of the command: dpo, kto or sft
 * @param own options of the trainer itself, by TRL's names
 */
record RunReports(String trainer, Map<String, ?> own) {

    /** The user's listener, with those that {@code report_to} names, and that write run.json and report.html. */
    RunListener with(RunListener given, TrainOptions options) {
        CombinedListener listeners = new CombinedListener(given);
        options.report().addTo(listeners, given);
        return listeners
                .with("run.json", new RunRecorder())
                .with("report.html", new ReportWriter())
                .with("README.md", new ModelCard());
    }

    /** What a run of these options begins with, before its first step. */
    RunStart start(TrainOptions options, MemoryPlan memory, int steps) {
        Map<String, String> named = new LinkedHashMap<>();
        options.values().forEach((name, value) -> named.put(name, text(value)));
        own.forEach((name, value) -> named.put(name, text(value)));
        named.values().removeIf(String::isEmpty);
        return new RunStart(trainer, options.output().directory(), named, memory.parts(), 0, steps, List.of());
    }

    /** A value as on the command line. */
    private static String text(Object value) {
        return value instanceof List<?> list
                ? list.stream().map(Object::toString).collect(Collectors.joining(","))
                : value.toString();
    }

    /** The end of a run that {@code e} ended. */
    static RunEnd end(int step, Throwable e) {
        return e instanceof CancellationException
                ? new RunEnd(Status.CANCELLED, step, null)
                : new RunEnd(Status.FAILED, step, e.getMessage() == null ? e.toString() : e.getMessage());
    }
}
