package org.dpo4j.signals;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A run whose shell limits the size of a file to less than the model's 318 kB. */
class FileLimitTest {
    @TempDir
    private Path directory;

    /** The space of the model is reserved before the first step, so no step is lost, and nothing is left. */
    @Test
    void theErrorNamesTheLimitAndWhatToDo() throws IOException, InterruptedException {
        DpoProcess.makeInput(directory);
        List<String> command =
                new ArrayList<>(List.of("sh", "-c", "ulimit -f 300 && exec \"$@\"", "sh")); // 154 or 307 kB
        command.addAll(DpoProcess.command(directory, "out"));
        try (DpoProcess run = DpoProcess.start(directory, command)) {
            assertThat(run.await()).isEqualTo(1);
            assertThat(run.err().lines())
                    .last()
                    .asString()
                    .startsWith("dpo4j: error: the model cannot be written to output_dir " + directory.resolve("out")
                            + " (File too large); it needs 3")
                    .endsWith(" kB; allow larger files (ulimit -f), or set a smaller max_shard_size");
        }
        assertThat(directory.resolve("out")).isEmptyDirectory();
    }
}
