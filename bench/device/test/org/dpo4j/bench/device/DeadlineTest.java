package org.dpo4j.bench.device;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.dpo4j.bench.device.Benchmark.Prepared;
import org.dpo4j.kernels.Devices;
import org.dpo4j.kernels.Dpo4jException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A run ends when it should, whatever a benchmark does. */
@Timeout(60)
class DeadlineTest {
    private static final Pace PACE = new Pace(0, 0, 3, 0.01, 1e-4, 0, 0, 0, 30, true);

    @TempDir
    Path folder;

    private Results results() {
        return new Results(folder, "cpu", "abc1234", "look", "not asked");
    }

    private static Runner runner(Results results, Deadline deadline) {
        return runner(results, deadline, PACE, () -> {
            throw new AssertionError("nothing hung");
        });
    }

    private static Runner runner(Results results, Deadline deadline, Pace pace, Runnable halt) {
        PrintStream out = new PrintStream(new ByteArrayOutputStream(), true, StandardCharsets.UTF_8);
        return new Runner(
                () -> Devices.open("cpu"), pace, deadline, MachineState.none("not asked"), results, out, halt);
    }

    private static Benchmark benchmark(String name, Benchmark.Call call) {
        return new Benchmark(
                name,
                shape -> 1,
                shape -> 0,
                Map.of(),
                Roofline.NONE,
                fixture -> new Prepared(call, gate -> {}),
                List.of(),
                List.of(Shape.of("count 1")));
    }

    @Test
    void whatDoesNotBeginInTimeIsNamed() {
        Results results = results();
        try (Deadline over = new Deadline(0, 0)) {
            runner(results, over).run(Benchmarks.ALL);
        }
        assertThat(results.measured()).isZero();
        assertThat(results.absences())
                .isEqualTo(Benchmarks.ALL.stream()
                        .mapToInt(each -> each.tiny().size())
                        .sum());
    }

    /** The second of three benchmarks never returns. */
    @Test
    void whatDoesNotEndIsCutOffAndTheRestIsNamed() throws Exception {
        Results results = results();
        CountDownLatch began = new CountDownLatch(1);
        CountDownLatch released = new CountDownLatch(1);
        Benchmark stuck = benchmark("stuck", turn -> {
            began.countDown();
            await(released);
        });
        List<Benchmark> benchmarks = List.of(benchmark("first", turn -> {}), stuck, benchmark("third", turn -> {}));
        JsonNode file;
        try (Deadline deadline = new Deadline(60, 0)) {
            Runner runner = runner(results, deadline);
            Thread run = new Thread(() -> runner.run(benchmarks));
            run.start();
            await(began);
            runner.cut();
            file = new ObjectMapper().readTree(results.file().toFile());
            released.countDown();
            run.join();
        }
        assertThat(file.path("results").findValuesAsText("benchmark")).containsExactly("first");
        assertThat(file.path("not_run").findValuesAsText("benchmark")).containsExactly("stuck", "third");
        assertThat(file.path("not_run").findValuesAsText("reason"))
                .containsExactly("cut off: the time of this run was over", "the time of this run was over");
        for (String peer : Peer.NAMES) {
            assertThat(file.path("peers").path(peer).asText()).isEqualTo("the time of this run was over");
        }
    }

    /** It was expected to take a second: that it is still there when the run is cut off is its own fault, which the run's exit code says. */
    @Test
    void whatIsCutOffLongAfterItsTimeHasFailed() throws Exception {
        Results results = results();
        CountDownLatch began = new CountDownLatch(1);
        CountDownLatch released = new CountDownLatch(1);
        Benchmark slow = benchmark("slow", turn -> {
            began.countDown();
            await(released);
        });
        Pace pace = new Pace(0, 0, 3, 0.01, 1e-4, 0, 0, 0, 1, true);
        try (Deadline deadline = new Deadline(60, 0)) {
            Runner runner = runner(results, deadline, pace, () -> {});
            Thread run = new Thread(() -> runner.run(List.of(slow)));
            run.start();
            await(began);
            Thread.sleep(1100);
            runner.cut();
            assertThat(results.failures()).isPositive();
            released.countDown();
            run.join();
        }
        JsonNode failed = new ObjectMapper().readTree(results.file().toFile()).path("failed");
        assertThat(failed.path(0).path("reason").asText())
                .matches("cut off after \\d s, where 1 were expected: the time of this run was over");
    }

    /** The second of three benchmarks hangs. After four times its 0.1 s it is written to the file and the process ends. */
    @Test
    void whatHangsIsNamedAndEndsTheProcess() throws Exception {
        Results results = results();
        CountDownLatch released = new CountDownLatch(1);
        CountDownLatch halted = new CountDownLatch(1);
        List<Benchmark> benchmarks = List.of(
                benchmark("first", turn -> {}),
                benchmark("stuck", turn -> await(released)),
                benchmark("third", turn -> {}));
        Pace pace = new Pace(0, 0, 3, 0.01, 1e-4, 0, 0, 0, 0.09, true);
        JsonNode file;
        try (Deadline deadline = new Deadline(60, 0)) {
            Runner runner = runner(results, deadline, pace, halted::countDown);
            Thread run = new Thread(() -> runner.run(benchmarks));
            run.start();
            await(halted);
            file = new ObjectMapper().readTree(results.file().toFile());
            released.countDown();
            run.join();
        }
        assertThat(file.path("results").findValuesAsText("benchmark")).containsExactly("first");
        assertThat(file.path("failed").findValuesAsText("benchmark")).containsExactly("stuck");
        assertThat(file.path("failed").findValuesAsText("reason"))
                .containsExactly("hung: no end after 0 s, 4 times what was expected");
        assertThat(file.path("not_run").findValuesAsText("benchmark")).containsExactly("third");
        assertThat(file.path("not_run").findValuesAsText("reason"))
                .containsExactly("not reached: stuck hung; --skip-done " + results.file() + " goes on after it");
    }

    /** Benchmarks with a row or a failure in another run's file are skipped; the others are run. */
    @Test
    void whatAnEarlierRunHasFinishedIsNotRunAgain() throws Exception {
        Results earlier = results();
        earlier.add(Results.row("first", Shape.of("count 1")));
        earlier.failed("second", Shape.of("count 1"), "hung");
        earlier.absent("third", Shape.of("count 1"), "", "not reached");
        Results results = new Results(folder.resolve("next"), "cpu", "abc1234", "look", "not asked");
        results.resume(earlier.file());
        try (Deadline deadline = new Deadline(60, 0)) {
            runner(results, deadline)
                    .run(List.of(
                            benchmark("first", turn -> {}),
                            benchmark("second", turn -> {}),
                            benchmark("third", turn -> {})));
        }
        JsonNode file = new ObjectMapper().readTree(results.file().toFile());
        assertThat(file.path("results").findValuesAsText("benchmark")).containsExactly("third");
        assertThat(results.failures()).isZero();
    }

    @Test
    void aRunOfAnotherCommitIsNotGoneOnWith() throws Exception {
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

    @Test
    void whatIsStillGoingOnAfterTheGraceIsCutOff() {
        CountDownLatch cut = new CountDownLatch(1);
        long began = System.nanoTime();
        try (Deadline deadline = new Deadline(0.1, 0.2)) {
            deadline.enforce(cut::countDown);
            await(cut);
        }
        assertThat(System.nanoTime() - began).isGreaterThanOrEqualTo(TimeUnit.MILLISECONDS.toNanos(299));
    }

    @Test
    void aRunThatEndedInTimeIsNotCutOff() throws InterruptedException {
        CountDownLatch cut = new CountDownLatch(1);
        try (Deadline deadline = new Deadline(0.2, 0)) {
            deadline.enforce(cut::countDown);
        }
        assertThat(cut.await(500, TimeUnit.MILLISECONDS)).isFalse();
    }

    private static void await(CountDownLatch latch) {
        try {
            assertThat(latch.await(30, TimeUnit.SECONDS)).isTrue();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
