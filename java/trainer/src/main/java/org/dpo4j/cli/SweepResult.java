package org.dpo4j.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.TreeMap;
import org.dpo4j.io.JsonFile;
import org.jspecify.annotations.Nullable;

/**
 * The result of a run of a sweep, as {@code sweep_run.json} in its directory holds it.
 *
 * @param state where the run stands
 * @param options all options of the run that have a value
 * @param metrics of the last evaluation, by name; also {@code kl} in nats per answer and {@code kl_error}, the standard
 *     error, if it was estimated
 * @param seconds that the run took; 0 if it has not finished
 * @param error why it failed; null if it did not
 */
record SweepResult(
        State state,
        Map<String, String> options,
        Map<String, Double> metrics,
        double seconds,
        @Nullable String error) {
    static final String KL = "kl";
    static final String KL_ERROR = "kl_error";
    private static final String FILE = "sweep_run.json";

    /** The status of a run. */
    enum State {
        /** It began, and was stopped if no sweep is running. */
        BEGUN("begun"),
        FINISHED("finished"),
        FAILED("failed"),
        /** It did not fit into the budget. */
        NOT_RUN("not run");

        private final String words;

        State(String words) {
            this.words = words;
        }

        @Override
        public String toString() {
            return words;
        }
    }

    /** A run that has no results. */
    static SweepResult without(State state, SweepRun run, @Nullable String error) {
        return new SweepResult(state, run.options(), Map.of(), 0, error);
    }

    boolean isFinished() {
        return state == State.FINISHED;
    }

    /** The result in the directory of a run; null if there is none. */
    static @Nullable SweepResult find(Path directory) {
        Path file = directory.resolve(FILE);
        if (!Files.exists(file)) {
            return null;
        }
        ObjectNode json = JsonFile.read(file, "a sweep wrote it; delete the directory, and the run is trained again");
        Map<String, String> options = new TreeMap<>();
        json.path("options")
                .properties()
                .forEach(each -> options.put(each.getKey(), each.getValue().asText()));
        Map<String, Double> metrics = new LinkedHashMap<>();
        json.path("metrics")
                .properties()
                .forEach(each -> metrics.put(each.getKey(), each.getValue().asDouble(Double.NaN)));
        State state = State.BEGUN;
        for (State each : State.values()) {
            state = each.words.equals(json.path("state").asText()) ? each : state;
        }
        JsonNode error = json.path("error");
        return new SweepResult(
                state, options, metrics, json.path("seconds").asDouble(), error.isTextual() ? error.asText() : null);
    }

    /** Writes the result to the directory of its run. */
    void write(Path directory) {
        ObjectNode json = json();
        ObjectNode given = json.putObject("options");
        options.forEach(given::put);
        JsonFile.write(directory.resolve(FILE), json);
    }

    /** State, metrics, seconds and error. NaN is null, because JSON has no NaN. */
    ObjectNode json() {
        ObjectNode json = JsonFile.object().put("state", state.toString());
        ObjectNode values = json.putObject("metrics");
        metrics.forEach((name, value) -> values.put(name, Double.isFinite(value) ? value : null));
        return json.put("seconds", seconds).put("error", error);
    }
}
