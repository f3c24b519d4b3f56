package org.dpo4j.report;

import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Finds what the metrics of a run say about it. The rules are functions of the run and its lines of metrics, so the same
 * lines give the same diagnoses in a run and in a report of it. Each rule applies at most once.
 */
public final class Diagnoses {
    private final DiagnosedRun run;
    private final List<Metrics> lines = new ArrayList<>();
    private final Set<DiagnosisRule> said = EnumSet.noneOf(DiagnosisRule.class);

    public Diagnoses(DiagnosedRun run) {
        this.run = run;
    }

    /** The diagnoses of a run, from all its lines of metrics. Lines of evaluations are ignored. */
    public static List<Diagnosis> find(DiagnosedRun run, List<Metrics> lines) {
        Diagnoses diagnoses = new Diagnoses(run);
        return lines.stream().flatMap(line -> diagnoses.add(line).stream()).toList();
    }

    /** Adds the next line of metrics. Returns the diagnoses that it is the first to show. */
    public List<Diagnosis> add(Metrics line) {
        if (!line.values().containsKey("learning_rate")) {
            return List.of(); // of an evaluation
        }
        lines.add(line);
        List<Diagnosis> found = new ArrayList<>();
        for (DiagnosisRule rule : DiagnosisRule.values()) {
            @Nullable String text = said.contains(rule) ? null : rule.find(run, lines);
            if (text != null) {
                found.add(say(rule, line.step(), text));
            }
        }
        return found;
    }

    /** The diagnoses of the metrics of the first step alone, if it has no line of its own. */
    public List<Diagnosis> first(Map<String, Double> metrics) {
        @Nullable
        String text = said.contains(DiagnosisRule.OTHER_REFERENCE)
                ? null
                : DiagnosisRule.OTHER_REFERENCE.find(run, List.of(new Metrics(1, metrics)));
        return text == null ? List.of() : List.of(say(DiagnosisRule.OTHER_REFERENCE, 1, text));
    }

    private Diagnosis say(DiagnosisRule rule, int step, String text) {
        said.add(rule);
        return new Diagnosis(rule.toString(), step, text);
    }
}
