package org.dpo4j.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.dpo4j.io.JsonFile;
import org.jspecify.annotations.Nullable;

/** The results of a sweep as a Markdown table and as JSON. */
final class SweepTable {
    /** Metrics in the table, of each evaluation set; the JSON has all. */
    private static final String SHOWN = "eval_(.*_)?(loss|rewards/accuracies|rewards/margins)";

    private SweepTable() {}

    /** The table, a line for each run, numbered as in the picture. */
    static String markdown(Map<SweepRun, SweepResult> results, String metric) {
        List<String> names = results.isEmpty()
                ? List.of()
                : List.copyOf(results.keySet().iterator().next().values().keySet());
        List<String> metrics = metrics(results).stream()
                .filter(name -> name.equals(metric) || name.matches(SHOWN))
                .toList();
        List<String> heads = new ArrayList<>(List.of("run"));
        heads.addAll(names);
        metrics.forEach(name -> heads.add(name.substring("eval_".length())));
        heads.addAll(List.of("KL", "seconds", "state"));
        StringBuilder text = new StringBuilder(line(heads));
        text.append(line(heads.stream().map(head -> "---").toList()));
        int number = 0;
        for (Map.Entry<SweepRun, SweepResult> entry : results.entrySet()) {
            SweepResult result = entry.getValue();
            List<String> cells = new ArrayList<>(List.of(Integer.toString(++number)));
            names.forEach(name -> cells.add(entry.getKey().values().getOrDefault(name, "")));
            metrics.forEach(name -> cells.add(number(result.metrics().get(name))));
            cells.add(kl(result));
            cells.add(result.isFinished() ? String.format(Locale.ROOT, "%.1f", result.seconds()) : "");
            cells.add(result.state() + (result.error() == null ? "" : ": " + result.error()));
            text.append(line(cells));
        }
        return text.toString();
    }

    private static String line(List<String> cells) {
        return cells.stream()
                .map(cell -> cell.replace("|", "\\|").replaceAll("\\s+", " "))
                .collect(Collectors.joining(" | ", "| ", " |\n"));
    }

    private static String kl(SweepResult result) {
        Double error = result.metrics().get(SweepResult.KL_ERROR);
        String kl = number(result.metrics().get(SweepResult.KL));
        return error == null || error.isNaN() ? kl : kl + " ± " + number(error);
    }

    private static String number(@Nullable Double value) {
        return value == null ? "" : String.format(Locale.ROOT, "%.4g", value);
    }

    /** All runs with their values, results and directories. */
    static ObjectNode json(Map<SweepRun, SweepResult> results) {
        ObjectNode json = JsonFile.object();
        ArrayNode all = json.putArray("runs");
        results.forEach((run, result) -> {
            ObjectNode entry = all.addObject().put("name", run.name());
            ObjectNode values = entry.putObject("grid");
            run.values().forEach(values::put);
            entry.setAll(result.json());
        });
        return json;
    }

    /** The metrics that some run has. */
    static TreeSet<String> metrics(Map<SweepRun, SweepResult> results) {
        TreeSet<String> names = new TreeSet<>();
        results.values().forEach(result -> names.addAll(result.metrics().keySet()));
        return names;
    }
}
