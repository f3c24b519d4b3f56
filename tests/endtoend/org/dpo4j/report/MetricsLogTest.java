package org.dpo4j.report;

import static org.assertj.core.api.Assertions.assertThat;
import static org.dpo4j.model.RefusalAssertions.assertRefused;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import org.dpo4j.train.Recorder;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code metrics.jsonl}. */
class MetricsLogTest {
    @TempDir
    private Path directory;

    @Test
    void aLineIsInTheFileOnceWriteReturns() {
        Path file = directory.resolve("metrics.jsonl");
        try (MetricsLog log = new MetricsLog(file, metrics -> {})) {
            log.write(new Metrics(1, values(Math.log(2))));
            assertThat(file).hasContent("{\"step\":1,\"loss\":0.6931471805599453,\"rewards/margins\":0.0}\n");
            log.write(new Metrics(2, values(Double.NaN)));
            assertThat(file).content().endsWith("{\"step\":2,\"loss\":null,\"rewards/margins\":0.0}\n");
        }
    }

    @Test
    void anAbsentDirectoryIsNamed() {
        Path file = directory.resolve("absent/metrics.jsonl");
        assertRefused(() -> new MetricsLog(file, metrics -> {}), file.toString());
    }

    /** A full disk does not end the run. A notice says so once, and closing says how many lines are missing. */
    @Test
    void aFullDiskIsReportedOnceAndAtTheEnd() throws IOException {
        assumeTrue(Files.exists(Path.of("/dev/full")), "skipped: there is no /dev/full here");
        Recorder recorder = new Recorder();
        MetricsLog log = new MetricsLog(Path.of("/dev/full"), recorder);
        log.write(new Metrics(1, values(0.5)));
        log.write(new Metrics(2, values(0.25)));
        assertThat(recorder.notices)
                .singleElement()
                .asString()
                .contains("/dev/full cannot be written", "training goes on");
        assertRefused(log::close, "/dev/full lacks the last 2 lines", "free space");
    }

    @Test
    void linesOfAnEarlierRunAreReplaced() throws IOException {
        Path file = Files.writeString(directory.resolve("metrics.jsonl"), "{\"step\": 1000}\n".repeat(100));
        try (MetricsLog log = new MetricsLog(file, metrics -> {})) {
            log.write(new Metrics(1, Map.of()));
        }
        assertThat(file).hasContent("{\"step\":1}\n");
    }

    @Test
    void linesOfAnEarlierRunStayUntilTheFirstStep() throws IOException {
        Path file = Files.writeString(directory.resolve("metrics.jsonl"), "{\"step\": 1000}\n");
        new MetricsLog(file, metrics -> {}).close();
        assertThat(file).hasContent("{\"step\": 1000}\n");
        Path absent = directory.resolve("absent.jsonl");
        new MetricsLog(absent, metrics -> {}).close();
        assertThat(absent).doesNotExist();
        try (MetricsLog log = new MetricsLog(file, metrics -> {})) {
            log.begin();
            assertThat(file).isEmptyFile();
        }
    }

    private static Map<String, Double> values(double loss) {
        Map<String, Double> values = new LinkedHashMap<>();
        values.put("loss", loss);
        values.put("rewards/margins", 0.0);
        return values;
    }
}
