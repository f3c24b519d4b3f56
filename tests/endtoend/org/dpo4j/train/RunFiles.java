package org.dpo4j.train;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/** What a run leaves in its directory. */
public final class RunFiles {
    private static final String TIMES = ",\"([a-z]+_per_second|eval_runtime|memory_gib/[a-z]+)\":[^,}]*";

    private RunFiles() {}

    /** Lines of metrics without those that depend on time. */
    public static List<String> metrics(Path output) throws IOException {
        return Files.readAllLines(output.resolve("metrics.jsonl")).stream()
                .map(line -> line.replaceAll(TIMES, ""))
                .toList();
    }

    /** The same weights, average of weights and metrics, to the bit. */
    public static void assertSame(Path output, Path expected) throws IOException {
        assertThat(output.resolve("model.safetensors"))
                .as("%s", output)
                .hasSameBinaryContentAs(expected.resolve("model.safetensors"));
        Path average = expected.resolve("ema/model.safetensors");
        if (Files.exists(average)) {
            assertThat(output.resolve("ema/model.safetensors")).as("%s", output).hasSameBinaryContentAs(average);
        }
        assertThat(metrics(output)).as("%s", output).isEqualTo(metrics(expected));
    }
}
