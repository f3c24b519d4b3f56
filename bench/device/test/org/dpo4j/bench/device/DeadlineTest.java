package org.dpo4j.bench.device;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.IntConsumer;
import org.dpo4j.bench.device.Benchmark.Prepared;
import org.dpo4j.kernels.Devices;
import org.dpo4j.kernels.Dpo4jException;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A run ends in time, whatever a benchmark does. */
@Timeout(60)
class DeadlineTest {
    @TempDir
    Path folder;

    /** Loads the library first, so that the deadlines do not include loading. */
    @BeforeAll
    static void load() {
        Devices.open("cpu").close();
    }

    private Results results() {
        return new Results(folder, "cpu", "abc1234", "look", "not asked");
    }

    private static JsonNode read(Results results) throws IOException {
        return new ObjectMapper().readTree(results.file().toFile());
    }

    private static Runner runner(Results results, Deadline deadline, double expectedSeconds, IntConsumer halt) {
        Pace pace = new Pace(
                Scale.TINY, expectedSeconds, 0, 0, new Pace.RoundLimits(3, 0.01, 1e-4), new Pace.Load(0, 0, 0));
        PrintStream out = new PrintStream(new ByteArrayOutputStream(), true, StandardCharsets.UTF_8);
        return new Runner(
                () -> Devices.open("cpu"), pace, deadline, MachineState.none("not asked"), results, out, halt);
    }

    private static Runner runner(Results results, Deadline deadline) {
        return runner(results, deadline, 30, code -> {
            throw new AssertionError("a benchmark was stopped");
        });
    }

    private static Benchmark benchmark(String name, Benchmark.Call call) {
        return benchmark(name, call, "count 1");
    }

    private static Benchmark benchmark(String name, Benchmark.Call call, String... shapes) {
        return new Benchmark(
                name,
                Benchmark.Work.bytes(shape -> 1),
                Roofline.NONE,
                fixture -> new Prepared(call, gate -> {}),
                new Benchmark.Shapes(
                        List.of(),
                        List.of(),
                        Arrays.stream(shapes).map(Shape::of).toList()));
    }

    @Test
    void everyBenchmarkIsMeasuredAtOneShapeBeforeAnyAtTwo() throws Exception {
        Results results = results();
        runner(results, new Deadline(60, 0))
                .run(List.of(
                        benchmark("large", turn -> {}, "model llama3-8b"),
                        benchmark("three", turn -> {}, "count 1", "count 2", "count 3"),
                        benchmark("two", turn -> {}, "count 1", "count 2")));
        assertThat(read(results).path("results").findValuesAsText("benchmark"))
                .containsExactly("three", "two", "three", "two", "three", "large");
        assertThat(read(results).path("results").findValuesAsText("count")).containsExactly("1", "1", "2", "2", "3");
    }

    /** Runs three benchmarks, of which the second does not return before the run is stopped. Returns the exit code. */
    private static int stopped(Results results, Deadline deadline, double expectedSeconds) throws Exception {
        CountDownLatch released = new CountDownLatch(1);
        CompletableFuture<Integer> halted = new CompletableFuture<>();
        Runner runner = runner(results, deadline, expectedSeconds, halted::complete);
        Thread run = new Thread(() -> runner.run(List.of(
                benchmark("first", turn -> {}),
                benchmark("stuck", turn -> await(released)),
                benchmark("third", turn -> {}))));
        run.start();
        int code = halted.get(30, TimeUnit.SECONDS);
        assertThat(read(results).path("results").findValuesAsText("benchmark")).containsExactly("first");
        released.countDown();
        run.join();
        return code;
    }

    private static void await(CountDownLatch latch) {
        try {
            assertThat(latch.await(30, TimeUnit.SECONDS)).isTrue();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    @Test
    void benchmarksThatDoNotBeginInTimeAreNamed() {
        Results results = results();
        runner(results, new Deadline(0, 0)).run(Benchmarks.ALL);
        assertThat(results.measured()).isZero();
        assertThat(results.absences())
                .isEqualTo(Benchmarks.ALL.stream()
                        .mapToInt(each -> each.shapes().tiny().size())
                        .sum());
    }

    @Test
    void aBenchmarkThatGoesOnAfterTheGraceIsCutOffAndTheRestIsNamed() throws Exception {
        Results results = results();
        long began = System.nanoTime();
        assertThat(stopped(results, new Deadline(0.6, 0.4), 30)).isZero();
        assertThat(System.nanoTime() - began).isGreaterThanOrEqualTo(TimeUnit.MILLISECONDS.toNanos(990));
        JsonNode file = read(results);
        assertThat(file.path("not_run").findValuesAsText("benchmark")).containsExactly("stuck", "third");
        assertThat(file.path("not_run").findValuesAsText("reason"))
                .containsExactly("cut off: the time of this run was over", "the time of this run was over");
    }

    /**
     * The benchmark was expected to take 0.3 s. It still runs after 1 s, so it counts as failed, not only as cut off.
     */
    @Test
    void aBenchmarkThatIsCutOffLongAfterItsTimeHasFailed() throws Exception {
        Results results = results();
        assertThat(stopped(results, new Deadline(1, 0), 0.3)).isEqualTo(Bench.FAILED);
        JsonNode failed = read(results).path("failed").path(0);
        assertThat(failed.path("benchmark").asText()).isEqualTo("stuck");
        assertThat(failed.path("reason").asText())
                .matches("cut off after [01] s, where 0 were expected: the time of this run was over");
    }

    /** A benchmark hangs if it takes four times the expected time, here about 0.25 s. */
    @Test
    void aBenchmarkThatHangsIsNamedAndEndsTheProcess() throws Exception {
        Results results = results();
        assertThat(stopped(results, new Deadline(60, 0), 0.24)).isEqualTo(Bench.HUNG);
        JsonNode file = read(results);
        assertThat(file.path("failed").findValuesAsText("benchmark")).containsExactly("stuck");
        assertThat(file.path("failed").findValuesAsText("reason"))
                .containsExactly("hung: no end after 1 s, 4 times what was expected");
        assertThat(file.path("not_run").findValuesAsText("benchmark")).containsExactly("third");
        assertThat(file.path("not_run").findValuesAsText("reason"))
                .containsExactly("not reached: stuck hung; --skip-done " + results.file() + " goes on after it");
    }

    @Test
    void aBenchmarkThatEndsInTimeIsNotStopped() throws Exception {
        Results results = results();
        CountDownLatch stopped = new CountDownLatch(1);
        runner(results, new Deadline(60, 0), 0.1, code -> stopped.countDown())
                .run(List.of(benchmark("first", turn -> {})));
        assertThat(stopped.await(600, TimeUnit.MILLISECONDS)).isFalse();
        assertThat(results.measured()).isEqualTo(1);
    }

    /** Benchmarks with a row or a failure in another run's file are skipped; the others are run. */
    @Test
    void aBenchmarkThatAnEarlierRunHasFinishedIsNotRunAgain() throws Exception {
        Results earlier = results();
        earlier.add(Results.row("first", Shape.of("count 1")));
        earlier.failed("second", Shape.of("count 1"), "hung");
        earlier.absent("third", Shape.of("count 1"), "not reached");
        Results results = new Results(folder.resolve("next"), "cpu", "abc1234", "look", "not asked");
        results.resume(earlier.file());
        runner(results, new Deadline(60, 0))
                .run(List.of(
                        benchmark("first", turn -> {}),
                        benchmark("second", turn -> {}),
                        benchmark("third", turn -> {})));
        assertThat(read(results).path("results").findValuesAsText("benchmark")).containsExactly("third");
        assertThat(results.failures()).isZero();
    }

    @Test
    void aRunOfAnotherCommitIsRefused() throws Exception {
        Results other = new Results(folder, "cpu", "def5678", "look", "not asked");
        other.write();
        assertThatThrownBy(() -> results().resume(other.file()))
                .isInstanceOf(Dpo4jException.class)
                .hasMessageContaining("its commit is def5678, that of this run abc1234");
        Path text = Files.writeString(folder.resolve("text"), "no results");
        assertThatThrownBy(() -> results().resume(text))
                .isInstanceOf(Dpo4jException.class)
                .hasMessageContaining("no JSON: name a file that ./bench wrote");
    }
}
