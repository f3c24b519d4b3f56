package org.dpo4j.kernels.internal;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** If a version cannot be read, the result is a reason. No exception is thrown, and the process does not end. */
class LibraryVersionsTest {
    @TempDir
    Path directory;

    @BeforeAll
    static void load() {
        NativeLibrary.load();
    }

    @Test
    void aMissingLibraryIsAReason() {
        Path absent = directory.resolve("libcudart.so.13");
        assertThat(LibraryVersions.libraryVersion(absent.toString()))
                .startsWith("unknown: " + absent + ": cannot open");
    }

    @Test
    void anEmptyFileIsAReason() throws IOException {
        Path empty = Files.createFile(directory.resolve("libcublasLt.so.13"));
        assertThat(LibraryVersions.libraryVersion(empty.toString()))
                .isEqualTo("unknown: " + empty + ": file too short");
    }

    @Test
    void aLibraryWithoutAVersionFunctionIsAReason() {
        assertThat(LibraryVersions.libraryVersion("libc.so.6"))
                .isEqualTo("unknown: it says no version: oneDNN, cudart or cublasLt is expected");
    }

    @Test
    void aMissingArtifactHasNoVersion() {
        assertThat(LibraryVersions.artifactVersion("org.bytedeco", "absent")).isNull();
    }
}
