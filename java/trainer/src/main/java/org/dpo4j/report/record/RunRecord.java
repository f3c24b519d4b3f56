package org.dpo4j.report.record;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.time.DateTimeException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import org.dpo4j.io.JsonFile;
import org.jspecify.annotations.Nullable;

/**
 * What {@code run.json} holds.
 *
 * @param outline when and how far the run went
 * @param facts the header: text by name
 * @param options options by TRL's names
 * @param memory planned device memory in bytes, by what it holds
 * @param software versions by name
 * @param diagnoses what the metrics say, in words
 * @param notices lines that the user was shown
 */
public record RunRecord(
        Outline outline,
        Map<String, String> facts,
        Map<String, String> options,
        Map<String, Long> memory,
        Map<String, String> software,
        List<String> diagnoses,
        List<String> notices) {

    /** Status of a run that has not ended, or whose process was killed. */
    static final String RUNNING = "running";

    private static final int FORMAT = 1;

    /**
     * When and how far a run went.
     *
     * @param trainer dpo, kto or sft
     * @param status {@code running}, or how the run ended, in words
     * @param step the step of the weights; when running, the step that the run began with
     * @param steps optimizer steps of the whole run
     * @param started when the run started first
     * @param ended when it ended; null while it runs
     * @param reason the error that ended it; null if there is none
     */
    public record Outline(
            String trainer,
            String status,
            int step,
            int steps,
            @Nullable Instant started,
            @Nullable Instant ended,
            @Nullable String reason) {}

    public RunRecord {
        facts = Collections.unmodifiableMap(new LinkedHashMap<>(facts));
        options = Collections.unmodifiableMap(new LinkedHashMap<>(options));
        memory = Collections.unmodifiableMap(new LinkedHashMap<>(memory));
        software = Collections.unmodifiableMap(new LinkedHashMap<>(software));
        diagnoses = List.copyOf(diagnoses);
        notices = List.copyOf(notices);
    }

    ObjectNode json() {
        ObjectNode json = JsonFile.object();
        json.put("format", FORMAT);
        json.put("trainer", outline.trainer);
        json.put("status", outline.status);
        json.put("step", outline.step);
        json.put("steps", outline.steps);
        json.put("started", text(outline.started));
        json.put("ended", text(outline.ended));
        json.put("reason", outline.reason);
        facts.forEach(json.putObject("facts")::put);
        options.forEach(json.putObject("options")::put);
        memory.forEach(json.putObject("memory")::put);
        software.forEach(json.putObject("software")::put);
        diagnoses.forEach(json.putArray("diagnoses")::add);
        notices.forEach(json.putArray("notices")::add);
        return json;
    }

    /** Reads what {@link #json} wrote. What is missing or of another type is empty: a report shows what there is. */
    static RunRecord parse(JsonNode json) {
        Outline outline = new Outline(
                json.path("trainer").asText(""),
                json.path("status").asText(RUNNING),
                json.path("step").asInt(),
                json.path("steps").asInt(),
                instant(json.path("started")),
                instant(json.path("ended")),
                json.path("reason").asText(null));
        return new RunRecord(
                outline,
                values(json.path("facts"), JsonNode::asText),
                values(json.path("options"), JsonNode::asText),
                values(json.path("memory"), JsonNode::asLong),
                values(json.path("software"), JsonNode::asText),
                texts(json.path("diagnoses")),
                texts(json.path("notices")));
    }

    private static @Nullable String text(@Nullable Instant time) {
        return time == null ? null : time.toString();
    }

    private static @Nullable Instant instant(JsonNode json) {
        try {
            return json.isTextual() ? Instant.parse(json.asText()) : null;
        } catch (DateTimeException e) {
            return null;
        }
    }

    private static <T> Map<String, T> values(JsonNode json, Function<JsonNode, T> value) {
        Map<String, T> values = new LinkedHashMap<>();
        json.properties().forEach(entry -> values.put(entry.getKey(), value.apply(entry.getValue())));
        return values;
    }

    private static List<String> texts(JsonNode json) {
        List<String> texts = new ArrayList<>();
        json.forEach(text -> texts.add(text.asText()));
        return texts;
    }
}
