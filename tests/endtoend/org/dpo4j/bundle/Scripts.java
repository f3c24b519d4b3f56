package org.dpo4j.bundle;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.dpo4j.model.TestFiles;

/**
 * A folder in which scripts of {@code tests/bundle} run. The programs that they call are replaced by scripts of a few
 * lines.
 *
 * @param folder folder of all scripts
 */
record Scripts(Path folder) {
    /**
     * The result of a script.
     *
     * @param exit its exit code
     * @param lines the lines that it printed
     */
    record Run(int exit, List<String> lines) {
        String last() {
            return lines.get(lines.size() - 1);
        }

        /** Fails, showing the output, unless the exit code is this one. */
        Run exits(int code) {
            assertThat(exit).as(String.join("\n", lines)).isEqualTo(code);
            return this;
        }
    }

    /** A script of tests/bundle. */
    static Path script(String name) {
        return TestFiles.repository("tests/bundle").resolve(name);
    }

    /** Copies a script of tests/bundle to a place in the folder. */
    Path copy(String name, String place) throws IOException {
        Path file = folder.resolve(place);
        Files.createDirectories(file.getParent());
        return Files.copy(script(name), file);
    }

    /** Writes a script. */
    Path write(String place, String lines) throws IOException {
        Path file = folder.resolve(place);
        Files.createDirectories(file.getParent());
        Files.writeString(file, "#!/bin/sh\n" + lines + "\n");
        assertThat(file.toFile().setExecutable(true)).isTrue();
        return file;
    }

    static Run run(Map<String, String> environment, String... command) throws IOException, InterruptedException {
        ProcessBuilder builder = new ProcessBuilder(new ArrayList<>(List.of(command))).redirectErrorStream(true);
        builder.environment().putAll(environment);
        Process process = builder.start();
        String printed = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        return new Run(process.waitFor(), printed.lines().toList());
    }
}
