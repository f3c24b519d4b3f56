package org.dpo4j.report.mlflow;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.dpo4j.report.Metrics;
import org.jspecify.annotations.Nullable;

/**
 * The calls of MLflow's REST API that a run needs (mlflow.org/docs/latest/rest-api.html). Each waits for the answer, with a
 * time limit.
 */
final class MlflowClient {
    /** Limits of the server for one log-batch. */
    private static final int MAX_PARAMS = 100;

    private static final int MAX_METRICS = 1000;
    /** Longer values are refused by servers before MLflow 2.8. */
    private static final int MAX_VALUE = 500;

    private static final int OK = 200;
    private static final int NOT_FOUND = 404;
    private static final int TOO_MANY_REQUESTS = 429;

    private static final ObjectMapper JSON = new ObjectMapper();

    private final MlflowServer server;
    private final Duration limit;
    private final HttpClient http;

    /** A refusal by the server. */
    static final class RefusedException extends IOException {
        private static final long serialVersionUID = 1;
        private final int status;

        RefusedException(int status, String message) {
            super("status " + status + (message.isEmpty() ? "" : ", " + message));
            this.status = status;
        }

        /** Whether the same call will be refused again: faults of the request, not of the server. */
        boolean isFinal() {
            return status >= 400 && status < 500 && status != TOO_MANY_REQUESTS;
        }
    }

    /** A line of metrics with the time at which it was measured. */
    record TimedMetrics(Metrics metrics, long millis) {}

    MlflowClient(MlflowServer server, Duration limit) {
        this.server = server;
        this.limit = limit;
        this.http = HttpClient.newBuilder().connectTimeout(limit).build();
    }

    /** Creates a run, or sets the given one to running, and returns its id. */
    String begin(String name, Map<String, String> options, long millis) throws IOException, InterruptedException {
        String run = server.run();
        if (run == null) {
            ObjectNode json = JSON.createObjectNode()
                    .put("experiment_id", experiment())
                    .put("run_name", name)
                    .put("start_time", millis);
            json.putArray("tags").addObject().put("key", "mlflow.source.name").put("value", "dpo4j");
            run = call("POST", "runs/create", json)
                    .path("run")
                    .path("info")
                    .path("run_id")
                    .asText();
        } else {
            update(run, "RUNNING", 0);
        }
        logOptions(run, options);
        return run;
    }

    private String experiment() throws IOException, InterruptedException {
        String name = server.experiment();
        try {
            String query = "experiments/get-by-name?experiment_name=" + URLEncoder.encode(name, StandardCharsets.UTF_8);
            return call("GET", query, null)
                    .path("experiment")
                    .path("experiment_id")
                    .asText();
        } catch (RefusedException e) {
            if (e.status != NOT_FOUND) {
                throw e;
            }
            ObjectNode json = JSON.createObjectNode().put("name", name);
            return call("POST", "experiments/create", json)
                    .path("experiment_id")
                    .asText();
        }
    }

    private void logOptions(String run, Map<String, String> options) throws IOException, InterruptedException {
        List<Map.Entry<String, String>> entries = new ArrayList<>(options.entrySet());
        for (int from = 0; from < entries.size(); from += MAX_PARAMS) {
            ObjectNode json = JSON.createObjectNode().put("run_id", run);
            ArrayNode params = json.putArray("params");
            entries.subList(from, Math.min(entries.size(), from + MAX_PARAMS)).forEach(option -> {
                String value = option.getValue();
                params.addObject()
                        .put("key", option.getKey())
                        .put("value", value.length() <= MAX_VALUE ? value : value.substring(0, MAX_VALUE));
            });
            call("POST", "runs/log-batch", json);
        }
    }

    /** Sends lines of metrics. Values that are not finite are left out, because JSON does not have them. */
    void log(String run, List<TimedMetrics> lines) throws IOException, InterruptedException {
        ArrayNode metrics = JSON.createArrayNode();
        for (TimedMetrics line : lines) {
            line.metrics.values().forEach((name, value) -> {
                if (Double.isFinite(value)) {
                    metrics.addObject()
                            .put("key", name.replaceAll("[^0-9A-Za-z_\\-. :/]", "_")) // as transformers' MLflowCallback
                            .put("value", value)
                            .put("timestamp", line.millis)
                            .put("step", line.metrics.step());
                }
            });
        }
        for (int from = 0; from < metrics.size(); from += MAX_METRICS) {
            ObjectNode json = JSON.createObjectNode().put("run_id", run);
            ArrayNode part = json.putArray("metrics");
            for (int i = from; i < Math.min(metrics.size(), from + MAX_METRICS); i++) {
                part.add(metrics.get(i));
            }
            call("POST", "runs/log-batch", json);
        }
    }

    /** Sets the status of a run, and if it has ended, when. */
    void update(String run, String status, long endMillis) throws IOException, InterruptedException {
        ObjectNode json = JSON.createObjectNode().put("run_id", run).put("status", status);
        if (endMillis > 0) {
            json.put("end_time", endMillis);
        }
        call("POST", "runs/update", json);
    }

    private JsonNode call(String method, String path, @Nullable ObjectNode json)
            throws IOException, InterruptedException {
        HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(server.uri() + "/api/2.0/mlflow/" + path))
                .timeout(limit)
                .header("Content-Type", "application/json")
                .method(method, json == null ? BodyPublishers.noBody() : BodyPublishers.ofString(json.toString()));
        String authorization = server.authorization();
        if (authorization != null) {
            request.header("Authorization", authorization);
        }
        HttpResponse<String> response = http.send(request.build(), BodyHandlers.ofString());
        JsonNode answer = parsed(response.body());
        if (response.statusCode() != OK) {
            throw new RefusedException(
                    response.statusCode(), answer.path("message").asText(""));
        }
        return answer;
    }

    private static JsonNode parsed(String text) {
        try {
            return JSON.readTree(text);
        } catch (IOException e) {
            return JSON.createObjectNode(); // a page of a proxy
        }
    }
}
