package org.dpo4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The commands whose classes are archived succeed; the launcher would ignore a failure. */
class ClassArchiveTest {
    @TempDir
    private Path directory;

    @Test
    void allCommandsSucceed() throws IOException {
        ClassArchive.write(directory);
        assertThat(ClassArchive.run(directory)).isTrue();
        assertThat(directory.resolve("sft/report.html")).exists();
        assertThat(directory.resolve("dpo/checkpoint-2")).exists();
    }
}
