package org.dpo4j.report;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.dpo4j.kernels.Dpo4jException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code metrics.jsonl}. */
class MetricsLogTest {
    @TempDir
    private Path directory;

    @Test
    void aLineIsOnTheDiskWhenItIsWritten() {
        Path file = directory.resolve("metrics.jsonl");
        try (MetricsLog log = new MetricsLog(file, metrics -> {})) {
            log.write(new Metrics(1, values(Math.log(2))));
            assertThat(file).hasContent("{\"step\":1,\"loss\":0.6931471805599453,\"rewards/margins\":0.0}\n");
            log.write(new Metrics(2, values(Double.NaN)));
            assertThat(file).content().endsWith("{\"step\":2,\"loss\":null,\"rewards/margins\":0.0}\n");
        }
    }

    @Test
    void aDirectoryThatIsNotThereIsNamed() {
        Path file = directory.resolve("absent/metrics.jsonl");
        assertThatThrownBy(() -> new MetricsLog(file, metrics -> {}))
                .isInstanceOf(Dpo4jException.class)
                .hasMessageContaining(file.toString());
    }

    /** A disk that is full does not end the run; what it did not take is said once, and at the end. */
    @Test
    void linesThatTheDiskDoesNotTakeWait() throws IOException {
        assumeTrue(Files.exists(Path.of("/dev/full")), "skipped: there is no /dev/full here");
        List<String> notices = new ArrayList<>();
        RunListener listener = new RunListener() {
            @Override
            public void metrics(Metrics metrics) {}

            @Override
            public void notice(String line) {
                notices.add(line);
            }
        };
        MetricsLog log = new MetricsLog(Path.of("/dev/full"), listener);
        log.write(new Metrics(1, values(0.5)));
        log.write(new Metrics(2, values(0.25)));
        assertThat(notices).singleElement().asString().contains("/dev/full cannot be written", "training goes on");
        assertThatThrownBy(log::close)
                .isInstanceOf(Dpo4jException.class)
                .hasMessageContainingAll("/dev/full lacks the last 2 lines", "free space");
    }

    @Test
    void whatAnEarlierRunWroteIsReplaced() throws IOException {
        Path file = Files.writeString(directory.resolve("metrics.jsonl"), "{\"step\": 1000}\n".repeat(100));
        try (MetricsLog log = new MetricsLog(file, metrics -> {})) {
            log.write(new Metrics(1, Map.of()));
        }
        assertThat(file).hasContent("{\"step\":1}\n");
    }

    @Test
    void whatAnEarlierRunWroteStaysWhereNoStepIsTaken() throws IOException {
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
