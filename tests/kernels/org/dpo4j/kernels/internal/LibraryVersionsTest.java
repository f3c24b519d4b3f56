package org.dpo4j.kernels.internal;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Versions that cannot be had: a reason, never an exception, let alone the end of the process. */
class LibraryVersionsTest {
    @TempDir
    Path directory;

    @BeforeAll
    static void load() {
        NativeLibrary.load();
    }

    @Test
    void aLibraryThatIsNotThere() {
        Path absent = directory.resolve("libcudart.so.13");
        assertThat(LibraryVersions.libraryVersion(absent.toString()))
                .startsWith("unknown: " + absent + ": cannot open");
    }

    @Test
    void aFileThatIsNoLibrary() throws IOException {
        Path empty = Files.createFile(directory.resolve("libcublasLt.so.13"));
        assertThat(LibraryVersions.libraryVersion(empty.toString()))
                .isEqualTo("unknown: " + empty + ": file too short");
    }

    @Test
    void aLibraryWithoutAVersionCall() {
        assertThat(LibraryVersions.libraryVersion("libc.so.6"))
                .isEqualTo("unknown: it says no version: oneDNN, cudart or cublasLt is expected");
    }

    @Test
    void artifactsThatAreNotThere() {
        assertThat(LibraryVersions.artifactVersion("org.bytedeco", "absent")).isNull();
    }
}
