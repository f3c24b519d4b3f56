package org.dpo4j.report.record;

import static org.assertj.core.api.Assertions.assertThat;
import static org.dpo4j.model.RefusalAssertions.assertRefused;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import org.dpo4j.model.TestFiles;
import org.dpo4j.report.Diagnosis;
import org.dpo4j.report.GeneratedSample;
import org.dpo4j.report.GeneratedSample.Continuation;
import org.dpo4j.report.Generations;
import org.dpo4j.report.Metrics;
import org.dpo4j.report.RunEnd;
import org.dpo4j.report.RunEnd.Status;
import org.dpo4j.report.RunHeader;
import org.dpo4j.report.RunStart;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code run.json}, and what is read from the directory of a run. */
class RunRecorderTest {
    private static final Instant NOON = Instant.parse("2026-11-29T12:00:00Z");

    @TempDir
    private Path directory;

    private RunRecorder started(int step, Instant time) {
        RunRecorder recorder = new RunRecorder(() -> time.plusMillis(250));
        recorder.header(new RunHeader(Map.of("device", "a cpu")));
        recorder.notice("before the start");
        recorder.started(
                new RunStart("dpo", directory, Map.of("beta", "0.1"), Map.of("weights", 64L), step, 9, List.of()));
        return recorder;
    }

    private JsonNode json() {
        return TestFiles.json(directory.resolve("run.json"));
    }

    @Test
    void theRecordTellsHowTheRunGoesAndHowItEnded() {
        RunRecorder recorder = started(0, NOON);
        assertThat(json().get("status").asText()).isEqualTo("running");
        recorder.diagnosis(new Diagnosis("stuck", 4, "the loss does not fall"));
        assertThat(json().get("diagnoses")).map(JsonNode::asText).containsExactly("step 4: the loss does not fall");
        recorder.ended(new RunEnd(Status.FAILED, 7, "the gradient is not finite"));
        JsonNode json = json();
        assertThat(json.get("status").asText()).isEqualTo("failed");
        assertThat(json.get("reason").asText()).isEqualTo("the gradient is not finite");
        assertThat(json.get("step").intValue()).isEqualTo(7);
        assertThat(json.get("steps").intValue()).isEqualTo(9);
        assertThat(json.get("started").asText()).isEqualTo("2026-11-29T12:00:00Z");
        assertThat(json.get("notices")).map(JsonNode::asText).containsExactly("before the start");
        assertThat(json.at("/facts/device").asText()).isEqualTo("a cpu");
        assertThat(json.at("/options/beta").asText()).isEqualTo("0.1");
        assertThat(json.at("/memory/weights").intValue()).isEqualTo(64);
        assertThat(json.at("/software/Java").asText()).contains(System.getProperty("java.version"));
    }

    @Test
    void aResumedRunKeepsWhatItsEarlierPartSaid() {
        RunRecorder first = started(0, NOON);
        first.diagnosis(new Diagnosis("stuck", 4, "the loss does not fall"));
        RunRecorder second = started(5, NOON.plusSeconds(60));
        second.ended(new RunEnd(Status.COMPLETED, 9, null));
        assertThat(json().get("started").asText()).isEqualTo("2026-11-29T12:00:00Z");
        assertThat(json().get("ended").asText()).isEqualTo("2026-11-29T12:01:00Z");
        assertThat(json().get("diagnoses")).hasSize(1);
        assertThat(json().get("notices")).map(JsonNode::asText).containsExactly("before the start"); // both said it
        started(0, NOON.plusSeconds(120));
        assertThat(json().get("started").asText()).isEqualTo("2026-11-29T12:02:00Z");
        assertThat(json().get("diagnoses")).isEmpty();
    }

    /** A full disk while the file is written leaves the file of before, because it is replaced and not changed. */
    @Test
    void theRecordIsReplacedAndNeverChangedInPlace() throws IOException {
        RunRecorder recorder = started(0, NOON);
        Path link = Files.createLink(directory.resolve("link"), directory.resolve("run.json"));
        String before = Files.readString(link);
        recorder.ended(new RunEnd(Status.COMPLETED, 9, null));
        assertThat(link).hasContent(before);
        assertThat(json().get("status").asText()).isEqualTo("completed");
    }

    /** A directory in the place of a file fails as a full disk does. */
    @Test
    void aRecordThatCannotBeWrittenForAWhileIsCompleteInTheEnd() throws IOException {
        RunRecorder recorder = started(0, NOON);
        Path file = directory.resolve("run.json");
        Files.delete(file);
        Files.createDirectories(file.resolve("x"));
        Path generations = Files.writeString(directory.resolve("generations"), "");
        recorder.notice("a notice");
        recorder.diagnosis(new Diagnosis("stuck", 4, "the loss does not fall"));
        GeneratedSample sample = new GeneratedSample(3, "a", new Continuation("p", 0.5), new Continuation("r", null));
        recorder.generations(new Generations(4, List.of(sample)));
        Files.delete(file.resolve("x"));
        Files.delete(file);
        assertRefused(() -> recorder.ended(new RunEnd(Status.COMPLETED, 9, null)), generations.toString());
        assertThat(json().get("status").asText()).isEqualTo("completed");
        assertThat(json().get("notices")).map(JsonNode::asText).contains("a notice");
        assertThat(json().get("diagnoses")).hasSize(1);
    }

    @Test
    void aDamagedRecordIsReplacedWhenTheRunGoesOn() {
        TestFiles.write(directory.resolve("run.json"), "{\"status\": \"runn");
        started(5, NOON);
        assertThat(json().get("notices").get(0).asText()).contains("run.json was damaged when the run went on");
    }

    @Test
    void aDamagedRecordIsRefusedByReports() {
        TestFiles.write(directory.resolve("metrics.jsonl"), "{\"step\":1}\n");
        TestFiles.write(directory.resolve("run.json"), "{\"status\": \"runn");
        assertRefused(
                () -> RecordedRun.read(directory),
                "run.json is not valid JSON",
                "; the run wrote it; delete it, and a report shows the metrics without header and notices");
    }

    @Test
    void whatWasRecordedIsRead() {
        started(0, NOON).ended(new RunEnd(Status.COMPLETED, 9, null));
        TestFiles.write(
                directory.resolve("metrics.jsonl"),
                "{\"step\":1,\"loss\":0.5}\n{\"step\":2,\"loss\":null}\n{\"step\":3,\"lo"); // killed while it wrote
        RecordedRun run = RecordedRun.read(directory);
        assertThat(run.metrics()).hasSize(2).first().isEqualTo(new Metrics(1, Map.of("loss", 0.5)));
        assertThat(run.metrics().get(1).values().get("loss")).isNaN();
        assertThat(run.record().json()).hasToString(json().toString());
        assertThat(run.name()).isEqualTo(directory.getFileName().toString());
    }

    @Test
    void theSamplesOfTheLastEvaluationAreRead() {
        RunRecorder recorder = started(0, NOON);
        TestFiles.write(directory.resolve("metrics.jsonl"), "{\"step\":1}\n");
        for (int step : new int[] {9, 100}) {
            Continuation policy = new Continuation("p" + step, 0.5);
            GeneratedSample sample = new GeneratedSample(3, "a\nprompt", policy, new Continuation("r", null));
            recorder.generations(new Generations(step, List.of(sample)));
        }
        assertThat(TestFiles.read(directory.resolve("generations/step-9.jsonl")))
                .isEqualTo(
                        "{\"row\":3,\"prompt\":\"a\\nprompt\",\"policy\":{\"text\":\"p9\",\"reward\":0.5},\"reference\":"
                                + "{\"text\":\"r\",\"reward\":null}}\n");
        assertThat(RecordedRun.read(directory).samples())
                .containsExactly(new Sample(
                        "a\nprompt",
                        List.of(
                                new Sample.Answer("reference", "r", null),
                                new Sample.Answer("policy, step 100", "p100", 0.5))));
    }

    @Test
    void aDirectoryWithoutARunIsRefused() {
        assertRefused(() -> RecordedRun.read(directory), directory.toString(), "holds no metrics.jsonl");
        TestFiles.write(directory.resolve("metrics.jsonl"), "{\"step\":1}\nnonsense\n{\"step\":2}\n");
        assertRefused(() -> RecordedRun.read(directory), "metrics.jsonl line 2 is not a JSON object");
    }

    @Test
    void aMetricThatIsNoNumberIsRefused() {
        Path file = directory.resolve("metrics.jsonl");
        TestFiles.write(file, "{\"step\":1,\"loss\":null}\n{\"step\":2,\"loss\":\"x\"}\n");
        assertRefused(() -> RecordedRun.read(directory), "metrics.jsonl line 2: loss is \"x\", not a number");
        TestFiles.write(file, "{\"step\":\"three\"}\n");
        assertRefused(() -> RecordedRun.read(directory), "metrics.jsonl line 1: step is not a whole number");
    }
}
