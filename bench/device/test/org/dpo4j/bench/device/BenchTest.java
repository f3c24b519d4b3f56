package org.dpo4j.bench.device;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.dpo4j.bench.device.Benchmark.Prepared;
import org.dpo4j.kernels.Devices;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The whole harness, on the device that {@code dpo4j.test.devices} names: the cpu or the emulated kernels. */
class BenchTest {
    private static final boolean EMULATED =
            System.getProperty("dpo4j.test.devices", "cpu").equals("emulated");
    private static final String DEVICE = EMULATED ? "cuda" : "cpu";

    @TempDir
    Path folder;

    private record Run(int exit, String printed, List<JsonNode> files) {
        JsonNode file() {
            assertThat(files).as(printed).hasSize(1);
            return files.get(0);
        }
    }

    private List<String> quickOptions() {
        String output = folder.resolve("results").toString();
        return List.of("--quick", "--device", DEVICE, "--output", output, "--commit", "abc1234");
    }

    private Run run(Map<String, String> environment, String... arguments) throws IOException {
        List<String> all = new ArrayList<>(quickOptions());
        all.addAll(List.of(arguments));
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        int exit = Bench.run(
                all.toArray(String[]::new), new PrintStream(bytes, true, StandardCharsets.UTF_8), environment);
        return new Run(exit, bytes.toString(StandardCharsets.UTF_8), files());
    }

    private List<JsonNode> files() throws IOException {
        List<JsonNode> files = new ArrayList<>();
        if (Files.exists(folder.resolve("results"))) {
            try (Stream<Path> paths = Files.list(folder.resolve("results"))) {
                for (Path path : paths.toList()) {
                    files.add(new ObjectMapper().readTree(path.toFile()));
                }
            }
        }
        return files;
    }

    private static List<JsonNode> list(JsonNode array) {
        return StreamSupport.stream(array.spliterator(), false).toList();
    }

    @Test
    void everyBenchmarkHasANumberOrAReason() throws IOException {
        Run run = run(Map.of());
        assertThat(run.exit()).as(run.printed()).isZero();
        JsonNode file = run.file();
        assertThat(file.path("failed")).isEmpty();
        assertThat(file.path("device").asText()).isEqualTo(EMULATED ? "emulated" : "cpu");
        assertThat(file.path("commit").asText()).isEqualTo("abc1234");
        assertThat(file.path("processor").asText()).isNotEmpty();
        List<JsonNode> rows = list(file.path("results"));
        List<JsonNode> absent = list(file.path("not_run"));
        int entries = Benchmarks.ALL.stream()
                .mapToInt(each -> each.shapes().tiny().size())
                .sum();
        assertThat(rows.size() + absent.size()).isEqualTo(entries);
        absent.forEach(row -> assertThat(row.path("reason").asText())
                .matches("cpu has no lm_head_(forward|exponentials): cpu contexts have no such operation"));
        assertThat(absent.isEmpty()).isEqualTo(EMULATED);
        for (JsonNode row : rows) {
            String name = row.toString();
            assertThat(row.path("median_us").asDouble()).as(name).isGreaterThan(0);
            assertThat(row.path("p20_us").asDouble())
                    .as(name)
                    .isLessThanOrEqualTo(row.path("median_us").asDouble());
            assertThat(row.path("p80_us").asDouble())
                    .as(name)
                    .isGreaterThanOrEqualTo(row.path("median_us").asDouble());
            assertThat(row.path("burst_us").asDouble()).as(name).isGreaterThan(0);
            assertThat(row.path("sustained_us").asDouble()).as(name).isGreaterThan(0);
            assertThat(row.path("gate").asDouble()).as(name).isBetween(0.0, 1.0);
            assertThat(row.path("peak_memory_bytes").asLong()).as(name).isGreaterThan(0);
            assertThat(row.has("gigabytes_per_second") || row.has("tflops"))
                    .as(name)
                    .isTrue();
            assertThat(row.path("round_us"))
                    .as(name)
                    .hasSize(row.path("samples").asInt());
            boolean step = row.path("parameters").has("model");
            assertThat(row.path("repeats").asInt()).as(name).isEqualTo(step ? 0 : 3);
            boolean launchBound = EMULATED && !step && row.path("bytes").asDouble() > 0;
            assertThat(row.has("graph_node_us")).as(name).isEqualTo(launchBound);
            assertThat(row.path("graph_node_us").asDouble()).as(name).isGreaterThanOrEqualTo(0);
        }
    }

    @Test
    void ratioComparesRatesOfTheSameRounds() throws IOException {
        Run run = run(Map.of(), "--only", "rms_norm_forward,lm_head_chunks_forward");
        for (JsonNode row : list(run.file().path("results"))) {
            boolean moving = row.path("benchmark").asText().startsWith("rms");
            double own = row.path(moving ? "gigabytes_per_second" : "tflops").asDouble();
            double bound = row.path(moving ? "roofline_gigabytes_per_second" : "roofline_tflops")
                    .asDouble();
            assertThat(row.path("ratio").asDouble()).isCloseTo(own / bound, within(own / bound));
            if (!moving) { // the same products, so the ratio of rates is that of times
                double times = row.path("roofline_us").asDouble()
                        / row.path("median_us").asDouble();
                assertThat(row.path("ratio").asDouble()).isCloseTo(times, within(times));
            }
        }
    }

    /** A few roundings of fp64. */
    private static org.assertj.core.data.Offset<Double> within(double value) {
        return org.assertj.core.data.Offset.offset(1e-12 * value);
    }

    @Test
    void onlyTakesNamesAndBeginningsOfNames() throws IOException {
        List<JsonNode> rows = list(run(Map.of(), "--only", "token_logprob_forward,sequence_sum")
                .file()
                .path("results"));
        assertThat(rows.stream().map(row -> row.path("benchmark").asText()).distinct())
                .containsExactly("token_logprob_forward", "sequence_sum_forward", "sequence_sum_backward");
    }

    @Test
    void unknownNameIsRefusedWithTheNearest() throws IOException {
        Run run = run(Map.of(), "--only", "rms_norm_foward");
        assertThat(run.exit()).isEqualTo(1);
        assertThat(run.printed()).contains("no benchmark is called rms_norm_foward; did you mean rms_norm_forward?");
        assertThat(run.files()).isEmpty();
    }

    @Test
    void aTimeLimitOfZeroIsRefused() throws IOException {
        Run run = run(Map.of(), "--seconds", "0");
        assertThat(run.exit()).isEqualTo(1);
        assertThat(run.printed()).contains("--seconds 0.0 is no time limit: use a number above 0");
    }

    @Test
    void unknownOptionIsRefused() throws IOException {
        Run run = run(Map.of(), "--quik");
        assertThat(run.exit()).isEqualTo(2);
        assertThat(run.printed()).contains("--quik");
    }

    @Test
    void aBenchmarkWithoutSizesForTheCpuIsRefused() throws IOException {
        assumeTrue(!EMULATED, "the emulated device has tiny sizes of all");
        ByteArrayOutputStream printed = new ByteArrayOutputStream();
        PrintStream out = new PrintStream(printed, true, StandardCharsets.UTF_8);
        String[] arguments = {"--device", "cpu", "--only", "rms_norm"};
        assertThat(Bench.run(arguments, out, Map.of())).isEqualTo(1);
        assertThat(printed.toString(StandardCharsets.UTF_8)).contains("no sizes for the cpu: --quick runs them");
    }

    /** A wrong result is timed and marked, and the run fails. */
    @Test
    void failedGateIsTimedAndMarkedAndFailsTheRun() throws IOException {
        Benchmark wrong = new Benchmark(
                "wrong",
                Benchmark.Work.bytes(shape -> 1),
                Roofline.NONE,
                fixture -> new Prepared(turn -> {}, gate -> gate.value("out", 1, 2, 0.5)),
                new Benchmark.Shapes(List.of(), List.of(), List.of(Shape.of("count 1"))));
        ByteArrayOutputStream printed = new ByteArrayOutputStream();
        Results results = new Results(folder, "cpu", "abc1234", "look", "not asked");
        new Runner(
                        () -> Devices.open(DEVICE),
                        Pace.LOOK,
                        new Deadline(60, 0),
                        MachineState.none("not asked"),
                        results,
                        new PrintStream(printed, true, StandardCharsets.UTF_8),
                        code -> {})
                .run(List.of(wrong));
        assertThat(results.failures()).isEqualTo(1);
        assertThat(results.measured()).isEqualTo(1);
        JsonNode row = new ObjectMapper()
                .readTree(results.file().toFile())
                .path("results")
                .path(0);
        assertThat(row.path("gate_failed").asText())
                .isEqualTo("wrong of count 1: out is 2.00000000, must be 1.00000000 within 0.500");
        assertThat(row.path("median_us").asDouble()).isNotNegative();
        assertThat(printed.toString(StandardCharsets.UTF_8)).contains("GATE FAILED: wrong of count 1: out is 2");
    }

    /**
     * A fault in a kernel: as on a GPU, every later call of the process fails. The process keeps the rows before the
     * fault and ends with a special exit code, and a new process continues after it.
     */
    @Test
    void aFaultEndsTheProcessAndAnotherGoesOn() throws Exception {
        assumeTrue(EMULATED, "the cpu device has no such faults");
        List<String> names = List.of("rms_norm_forward", "activation_forward", "rope_forward");
        List<String> arguments = List.of("--only", String.join(",", names));
        Run broken = process(Map.of("DPO4J_EMULATION_FAULT", "dpo4j_activation_forward"), arguments);
        assertThat(broken.exit()).as(broken.printed()).isEqualTo(3);
        JsonNode file = broken.file();
        assertThat(names(file.path("results"))).containsExactly("rms_norm_forward");
        assertThat(names(file.path("failed"))).containsExactly("activation_forward");
        assertThat(file.path("failed").path(0).path("reason").asText()).contains("cudaErrorIllegalAddress");
        assertThat(names(file.path("not_run")))
                .containsExactly("rope_forward", "rms_norm_forward", "activation_forward");
        assertThat(broken.printed()).contains("the device has failed for good in activation_forward");

        Path results = folder.resolve("results");
        Path first;
        try (Stream<Path> files = Files.list(results)) {
            first = Files.move(files.findFirst().orElseThrow(), folder.resolve("first.json"));
        }
        List<String> more = new ArrayList<>(arguments);
        more.addAll(List.of("--skip-done", first.toString()));
        Run rest = process(Map.of(), more);
        assertThat(rest.exit()).as(rest.printed()).isZero();
        assertThat(names(rest.file().path("results")))
                .containsExactly("rope_forward", "rms_norm_forward", "activation_forward");
    }

    private static List<String> names(JsonNode rows) {
        return list(rows).stream()
                .map(row -> row.path("benchmark").asText())
                .distinct()
                .toList();
    }

    /** Runs the command in a new process with the system properties of this one. */
    private Run process(Map<String, String> environment, List<String> arguments) throws Exception {
        List<String> command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin/java").toString(),
                "-Xmx1g",
                "-XX:TieredStopAtLevel=1", // a JVM of seconds starts in half of the time without the optimizing
                // compiler
                "-XX:+UseSerialGC",
                "-cp",
                System.getProperty("java.class.path")));
        System.getProperties().stringPropertyNames().stream()
                .filter(name -> name.startsWith("dpo4j.") || name.startsWith("org.bytedeco."))
                .forEach(name -> command.add("-D" + name + "=" + System.getProperty(name)));
        command.add("org.dpo4j.bench.device.Bench");
        command.addAll(quickOptions());
        command.addAll(arguments);
        ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
        builder.environment().putAll(environment);
        Process process = builder.start();
        String printed = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        return new Run(process.waitFor(), printed, files());
    }

    @Test
    void resultsHoldTheReportOfTheMachine() throws IOException {
        JsonNode doctor = run(Map.of(), "--only", "sequence_sum_forward").file().path("doctor");
        assertThat(doctor.path("build").asText()).contains("version=", "cuda=");
        assertThat(doctor.path("cuda").path("usable").asBoolean()).isEqualTo(EMULATED);
        assertThat(doctor.path("cuda").has("libraries")).isTrue();
    }
}
