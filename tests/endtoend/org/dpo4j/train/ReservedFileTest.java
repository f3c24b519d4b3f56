package org.dpo4j.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Files that keep space, allocated or written. */
class ReservedFileTest {
    private static final long LARGE = (64L << 20) + 5;

    @TempDir
    private Path directory;

    /** A program that is not there, and one that fails, are replaced by a write. */
    @Test
    void theFileHasItsSize() throws IOException {
        for (String program : new String[] {"fallocate", "dpo4j-no-such-program", "false", "true"}) {
            Path file = directory.resolve(program);
            ReservedFile.make(file, LARGE, program);
            assertThat(file).as(program).hasSize(LARGE);
        }
        Path small = directory.resolve("small");
        ReservedFile.make(small, 5);
        assertThat(Files.readAllBytes(small)).isNotEqualTo(new byte[5]);
    }

    @Test
    void aDirectoryThatIsNotThereIsNamed() {
        Path file = directory.resolve("absent/reserved");
        assertThatThrownBy(() -> ReservedFile.make(file, LARGE))
                .isInstanceOf(NoSuchFileException.class)
                .hasMessage(file.toString());
    }
}
