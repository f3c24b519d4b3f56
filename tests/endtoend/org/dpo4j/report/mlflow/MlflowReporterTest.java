package org.dpo4j.report.mlflow;

import static org.assertj.core.api.Assertions.assertThat;
import static org.dpo4j.model.RefusalAssertions.assertRefused;

import com.fasterxml.jackson.databind.JsonNode;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.Executors;
import org.dpo4j.model.TestFiles;
import org.dpo4j.report.Metrics;
import org.dpo4j.report.RunEnd;
import org.dpo4j.report.RunEnd.Status;
import org.dpo4j.report.RunStart;
import org.dpo4j.report.mlflow.MlflowReporter.Limits;
import org.dpo4j.train.Recorder;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Metrics for an MLflow server: what is sent, and that a server that fails, hangs or refuses does not matter to the run. */
class MlflowReporterTest {
    private static final Limits LIMITS =
            new Limits(Duration.ofSeconds(60), Duration.ofMillis(20), Duration.ofSeconds(60));
    private static final Limits SHORT =
            new Limits(Duration.ofMillis(200), Duration.ofMillis(20), Duration.ofMillis(300));

    private final Recorder recorder = new Recorder();
    private final List<Request> requests = new CopyOnWriteArrayList<>();
    private @Nullable HttpServer http;
    private volatile int failures;
    private volatile int failure = 503;

    /** A request as the server received it. */
    private record Request(String line, @Nullable String authorization, JsonNode json) {}

    /** A server as MLflow answers, whose first requests fail. */
    private MlflowServer serve(Map<String, String> environment) throws IOException {
        http = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        http.createContext("/", this::answer);
        http.setExecutor(Executors.newCachedThreadPool(work -> {
            Thread thread = new Thread(work);
            thread.setDaemon(true);
            return thread;
        }));
        http.start();
        Map<String, String> all = new HashMap<>(environment);
        all.put("MLFLOW_TRACKING_URI", "http://127.0.0.1:" + http.getAddress().getPort() + "/");
        return MlflowServer.find(all);
    }

    private void answer(HttpExchange exchange) throws IOException {
        String body = new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8);
        String path = exchange.getRequestURI().toString().replace("/api/2.0/mlflow/", "");
        requests.add(new Request(
                exchange.getRequestMethod() + " " + path,
                exchange.getRequestHeaders().getFirst("Authorization"),
                TestFiles.json(body.isEmpty() ? "{}" : body)));
        int status = 200;
        String answer = "{}";
        if (failures > 0) {
            failures--;
            status = failure;
            answer = "{\"message\":\"try later\"}";
        } else if (path.startsWith("experiments/get-by-name")) {
            status = 404;
        } else if (path.equals("experiments/create")) {
            answer = "{\"experiment_id\":\"7\"}";
        } else if (path.equals("runs/create")) {
            answer = "{\"run\":{\"info\":{\"run_id\":\"abc\"}}}";
        }
        byte[] bytes = answer.getBytes(StandardCharsets.UTF_8);
        exchange.sendResponseHeaders(status, bytes.length);
        exchange.getResponseBody().write(bytes);
        exchange.close();
    }

    @AfterEach
    void stop() {
        if (http != null) {
            http.stop(0);
        }
    }

    private MlflowReporter run(MlflowServer server, Limits limits, int lines) {
        MlflowReporter reporter = new MlflowReporter(server, null, recorder, limits);
        reporter.started(new RunStart(
                "dpo",
                Path.of("runs/out"),
                Map.of("beta", "0.1", "long", "x".repeat(900)),
                Map.of(),
                0,
                lines,
                List.of()));
        for (int step = 1; step <= lines; step++) {
            reporter.metrics(new Metrics(step, Map.of("rewards/margins", step / 2.0, "odd(name)", Double.NaN)));
        }
        reporter.ended(new RunEnd(Status.COMPLETED, lines, null));
        return reporter;
    }

    private List<String> sent() {
        List<String> metrics = new ArrayList<>();
        requests.forEach(request -> request.json()
                .path("metrics")
                .forEach(metric -> metrics.add(
                        metric.get("step") + " " + metric.get("key").asText() + " " + metric.get("value"))));
        return metrics;
    }

    @Test
    void optionsMetricsAndStatusAreSent() throws IOException {
        run(serve(Map.of("MLFLOW_TRACKING_TOKEN", "secret", "MLFLOW_EXPERIMENT_NAME", "two words")), LIMITS, 3);
        assertThat(requests.stream().map(Request::line).distinct())
                .containsExactly(
                        "GET experiments/get-by-name?experiment_name=two+words",
                        "POST experiments/create",
                        "POST runs/create",
                        "POST runs/log-batch",
                        "POST runs/update");
        assertThat(requests)
                .allSatisfy(request -> assertThat(request.authorization()).isEqualTo("Bearer secret"));
        JsonNode created = requests.get(2).json();
        assertThat(created.get("experiment_id").asText()).isEqualTo("7");
        assertThat(created.get("run_name").asText()).isEqualTo("out");
        JsonNode params = requests.get(3).json().get("params");
        assertThat(params)
                .hasSize(2)
                .allSatisfy(param -> assertThat(param.get("value").asText()).hasSizeLessThan(501));
        assertThat(sent()).containsExactly("1 rewards/margins 0.5", "2 rewards/margins 1.0", "3 rewards/margins 1.5");
        JsonNode end = requests.get(requests.size() - 1).json();
        assertThat(end.get("run_id").asText()).isEqualTo("abc");
        assertThat(end.get("status").asText()).isEqualTo("FINISHED");
        assertThat(end.get("end_time").longValue()).isPositive();
        assertThat(recorder.notices).isEmpty();
    }

    @Test
    void aGivenRunGoesOn() throws IOException {
        run(
                serve(Map.of(
                        "MLFLOW_RUN_ID", "old", "MLFLOW_TRACKING_USERNAME", "me", "MLFLOW_TRACKING_PASSWORD", "pw")),
                LIMITS,
                1);
        assertThat(requests.get(0).line()).isEqualTo("POST runs/update");
        assertThat(requests.get(0).json().get("status").asText()).isEqualTo("RUNNING");
        assertThat(requests).allSatisfy(request -> {
            assertThat(request.json().get("run_id").asText()).isEqualTo("old");
            assertThat(request.authorization()).isEqualTo("Basic bWU6cHc="); // base64 of me:pw
        });
    }

    @Test
    void whatAServerThatFailsForAWhileMissesIsSentLater() throws IOException, InterruptedException {
        failures = 2;
        MlflowReporter reporter = new MlflowReporter(serve(Map.of()), "named", recorder, LIMITS);
        reporter.started(new RunStart("dpo", Path.of("out"), Map.of(), Map.of(), 0, 2, List.of()));
        reporter.metrics(new Metrics(1, Map.of("loss", 0.5)));
        long limit = System.nanoTime() + 60_000_000_000L;
        while (sent().isEmpty() && System.nanoTime() < limit) {
            Thread.sleep(5);
        }
        reporter.metrics(new Metrics(2, Map.of("loss", 0.25)));
        reporter.ended(new RunEnd(Status.CANCELLED, 2, null));
        assertThat(sent()).containsExactly("1 loss 0.5", "2 loss 0.25");
        assertThat(requests.get(requests.size() - 1).json().get("status").asText())
                .isEqualTo("KILLED");
        assertThat(recorder.notices)
                .singleElement()
                .asString()
                .contains("not sent to MLflow", "status 503, try later", "training goes on");
    }

    @Test
    void aRefusalIsFinal() throws IOException {
        failures = 100;
        failure = 401;
        run(serve(Map.of()), LIMITS, 2);
        assertThat(requests).hasSize(1);
        assertThat(recorder.notices).singleElement().asString().contains("status 401");
    }

    /** The server accepts connections and never answers. A line of metrics takes no time, the end as long as its limit. */
    @Test
    void aServerThatHangsDoesNotSlowTheRun() throws IOException {
        try (ServerSocket silent = new ServerSocket(0, 10, InetAddress.getLoopbackAddress())) {
            Map<String, String> environment =
                    Map.of("MLFLOW_TRACKING_URI", "http://127.0.0.1:" + silent.getLocalPort());
            long began = System.nanoTime();
            run(MlflowServer.find(environment), SHORT, 10_100);
            assertThat(Duration.ofNanos(System.nanoTime() - began))
                    .isLessThan(Duration.ofSeconds(60)); // not 10,100 times 0.2 s
            assertThat(recorder.notices).hasSize(1);
        }
    }

    @Test
    void anAddressThatIsNoneIsRefused() {
        assertRefused(() -> MlflowServer.find(Map.of()), "report_to mlflow", "MLFLOW_TRACKING_URI is not set");
        assertRefused(() -> MlflowServer.find(Map.of("MLFLOW_TRACKING_URI", "file:/tmp/x")), "file:/tmp/x", "http");
    }
}
