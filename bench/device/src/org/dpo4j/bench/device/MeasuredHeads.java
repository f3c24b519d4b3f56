package org.dpo4j.bench.device;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.head.HeadTable;
import org.dpo4j.kernels.head.HeadTimes;

/** The table that dpo4j-kernels comes with, {@link HeadTable#measured}, from the benchmark lm_head_path in bench/results. */
final class MeasuredHeads {
    static final String BENCHMARK = "lm_head_path";

    private MeasuredHeads() {}

    /** Of a head, a processor and a number of rows that were measured more than once the newest file counts. */
    static HeadTable of(Path results) throws IOException {
        Map<List<Object>, HeadTimes> newest = new LinkedHashMap<>();
        for (JsonNode run : Performance.runs(results).values()) {
            if (run.path("device").asText().equals("cuda")) {
                Performance.rows(run).stream()
                        .filter(row -> row.path("benchmark").asText().equals(BENCHMARK))
                        .filter(row -> !row.has(Results.GATE_FAILED))
                        .map(row -> times(run.path("processor").asText(), row))
                        .forEach(times -> newest.put(key(times), times));
            }
        }
        return new HeadTable(List.copyOf(newest.values()));
    }

    private static List<Object> key(HeadTimes times) {
        return List.of(times.processor(), times.vocabulary(), times.hidden(), times.dtype(), times.rows());
    }

    private static HeadTimes times(String processor, JsonNode row) {
        JsonNode parameters = row.path("parameters");
        return new HeadTimes(
                processor,
                parameters.path("vocabulary").asLong(),
                parameters.path("hidden").asLong(),
                DType.valueOf(parameters.path("dtype").asText()),
                parameters.path("rows").asLong(),
                row.path("roofline_us").asDouble(),
                row.path("median_us").asDouble());
    }
}
