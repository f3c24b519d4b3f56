package org.dpo4j.bench.device;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Programs of the machine that a run can do without. */
final class Programs {
    private Programs() {}

    /** Where PATH has it; null where it does not. */
    static @Nullable Path find(String name, Map<String, String> environment) {
        for (String directory : environment.getOrDefault("PATH", "").split(":", -1)) {
            Path program = Path.of(directory, name);
            if (!directory.isEmpty() && Files.isExecutable(program)) {
                return program;
            }
        }
        return null;
    }

    /** What it prints. */
    static String output(List<String> command) throws IOException {
        Process process = new ProcessBuilder(command)
                .redirectError(ProcessBuilder.Redirect.DISCARD)
                .start();
        return new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    }
}
