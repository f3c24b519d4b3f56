package org.dpo4j.report;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.dpo4j.train.Recorder;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code metrics.csv}. */
class CsvLogTest {
    @TempDir
    private Path directory;

    private final Recorder recorder = new Recorder();
    private final CsvLog log = new CsvLog(recorder);

    private static Metrics line(int step, String name, double value, String other, double otherValue) {
        Map<String, Double> values = new LinkedHashMap<>();
        values.put(name, value);
        values.put(other, otherValue);
        return new Metrics(step, values);
    }

    private RunStart start(int step, List<Metrics> history) {
        return new RunStart("dpo", directory, Map.of(), Map.of(), step, 9, history);
    }

    @Test
    void columnsOfLaterMetricsAreAddedAtTheEnd() {
        Path file = directory.resolve("metrics.csv");
        log.started(start(0, List.of()));
        log.metrics(line(1, "loss", 0.6931471805599453, "num_tokens", 12));
        log.metrics(line(2, "loss", Double.NaN, "num_tokens", 24));
        assertThat(file).hasContent("step,loss,num_tokens\n1,0.6931471805599453,12\n2,NaN,24\n");
        log.metrics(line(2, "eval_loss", 1e-7, "a,\"b\"", 2));
        log.metrics(line(3, "loss", 0.5, "num_tokens", 36));
        assertThat(file)
                .hasContent("step,loss,num_tokens,eval_loss,\"a,\"\"b\"\"\"\n1,0.6931471805599453,12,,\n2,NaN,24,,\n"
                        + "2,,,1.0E-7,2\n3,0.5,36,,\n");
    }

    @Test
    void aResumedRunHasTheRowsUpToItsCheckpoint() throws IOException {
        Files.writeString(directory.resolve("metrics.csv"), "step,loss\n1,9\n2,9\n3,9\n");
        log.started(start(1, List.of(line(1, "loss", 0.5, "epoch", 1))));
        log.metrics(line(2, "loss", 0.25, "epoch", 2));
        assertThat(directory.resolve("metrics.csv")).hasContent("step,loss,epoch\n1,0.5,1\n2,0.25,2\n");
    }

    /** As on a full disk: one notice, and the rows that were not written come with a later one. */
    @Test
    void rowsThatCannotBeWrittenComeLater() throws IOException {
        log.started(start(0, List.of()));
        Files.delete(directory.resolve("metrics.csv"));
        log.metrics(line(1, "loss", 0.5, "epoch", 1)); // new columns: the file is written anew
        Files.delete(directory.resolve("metrics.csv"));
        log.metrics(line(2, "loss", 0.25, "epoch", 2));
        assertThat(recorder.notices).singleElement().asString().contains("metrics.csv cannot be written");
        log.metrics(line(3, "loss", 0.125, "epoch", 3));
        assertThat(directory.resolve("metrics.csv")).hasContent("step,loss,epoch\n1,0.5,1\n2,0.25,2\n3,0.125,3\n");
        assertThat(recorder.notices).hasSize(1);
    }
}
