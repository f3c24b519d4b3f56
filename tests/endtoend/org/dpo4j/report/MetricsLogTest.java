package org.dpo4j.report;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.util.LinkedHashMap;
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
        try (MetricsLog log = new MetricsLog(file)) {
            log.write(new Metrics(1, values(Math.log(2))));
            assertThat(file).hasContent("{\"step\":1,\"loss\":0.6931471805599453,\"rewards/margins\":0.0}\n");
            log.write(new Metrics(2, values(Double.NaN)));
            assertThat(file).content().endsWith("{\"step\":2,\"loss\":null,\"rewards/margins\":0.0}\n");
        }
    }

    @Test
    void aDirectoryThatIsNotThereIsNamed() {
        Path file = directory.resolve("absent/metrics.jsonl");
        assertThatThrownBy(() -> new MetricsLog(file))
                .isInstanceOf(Dpo4jException.class)
                .hasMessageContaining(file.toString());
    }

    private static Map<String, Double> values(double loss) {
        Map<String, Double> values = new LinkedHashMap<>();
        values.put("loss", loss);
        values.put("rewards/margins", 0.0);
        return values;
    }
}
