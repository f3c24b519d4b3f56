package org.dpo4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.dpo4j.data.LetterTokenizer;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Processes that have nowhere to unpack the native library of the tokenizers. A process loads it once, so each test
 * starts its own.
 */
class TokenizerLibraryTest {
    @TempDir
    Path directory;

    private Path cache;

    @BeforeEach
    void writeAFileInTheWay() {
        cache = Cli.write(directory.resolve("file"), "no directory").resolve("cache");
    }

    private String run(int status, String... arguments) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Dorg.bytedeco.javacpp.cachedir=" + System.getProperty("org.bytedeco.javacpp.cachedir"),
                "-cp",
                System.getProperty("java.class.path"),
                Main.class.getName()));
        command.addAll(List.of(arguments));
        Path printed = directory.resolve("printed");
        ProcessBuilder builder = new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(printed.toFile())
                .directory(directory.toFile());
        builder.environment().put("DJL_CACHE_DIR", cache.toString());
        builder.environment().remove("ENGINE_CACHE_DIR");
        assertThat(builder.start().waitFor()).isEqualTo(status);
        return Files.readString(printed, StandardCharsets.UTF_8);
    }

    private String problem() {
        return "the tokenizer library cannot be unpacked to " + cache.resolve("tokenizers")
                + " and loaded from there (java.nio.file.FileSystemException: " + cache
                + ": Not a directory); set the environment variable DJL_CACHE_DIR to a directory that this user can"
                + " write to and run programs from";
    }

    /** The user's file is not blamed. */
    @Test
    void commands() throws IOException, InterruptedException {
        Path model = Files.createDirectory(directory.resolve("model"));
        for (String name : List.of("config.json", "model.safetensors")) {
            Files.copy(Cli.repository("tests/golden/llama-tiny").resolve(name), model.resolve(name));
        }
        LetterTokenizer.write(model, true);
        Path rows = Cli.write(directory.resolve("rows.jsonl"), "{\"text\":\"abc\"}\n");
        String printed = run(
                1,
                "logps",
                "--model_name_or_path",
                model.toString(),
                "--dataset_name",
                rows.toString(),
                "--device",
                "cpu");
        assertThat(printed).endsWith("dpo4j: error: " + problem() + "\n");
    }

    @Test
    void doctor() throws IOException, InterruptedException {
        assertThat(run(0, "doctor").lines())
                .anyMatch(line -> line.matches("tokenizers +not usable: .*") && line.endsWith(problem()))
                .anyMatch(line -> line.endsWith(" in " + cache.resolve("tokenizers")));
        JsonNode report = Cli.parse(run(0, "doctor", "--json")).get("tokenizers");
        assertThat(report.get("usable").booleanValue()).isFalse();
        assertThat(report.get("version").textValue()).matches("[0-9.-]+");
        assertThat(report.get("directory").textValue())
                .isEqualTo(cache.resolve("tokenizers").toString());
        assertThat(report.get("reason").textValue()).contains("Not a directory");
    }
}
