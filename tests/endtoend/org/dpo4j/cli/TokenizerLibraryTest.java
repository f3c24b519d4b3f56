package org.dpo4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.dpo4j.data.LetterTokenizer;
import org.dpo4j.model.TestFiles;
import org.dpo4j.model.TestJvm;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The native library of the tokenizers cannot be unpacked, because a file is in the way. A process loads it once, so
 * each test starts its own.
 */
class TokenizerLibraryTest {
    @TempDir
    Path directory;

    private Path cache;

    @BeforeEach
    void writeAFileInTheWay() {
        cache = TestFiles.write(directory.resolve("file"), "no directory").resolve("cache");
    }

    private String run(int code, String line, Object... values) throws IOException, InterruptedException {
        List<String> command = TestJvm.command(Main.class.getName());
        command.addAll(Cli.words(line, values));
        ProcessBuilder builder = new ProcessBuilder(command).directory(directory.toFile());
        builder.environment().put("DJL_CACHE_DIR", cache.toString());
        builder.environment().remove("ENGINE_CACHE_DIR");
        return TestJvm.run(builder, code);
    }

    /** Its search for CUDA starts JNA and ldconfig, which takes longer than all else. */
    @Test
    void theLibraryIsLoadedWithoutASearchForCuda() throws IOException, InterruptedException {
        Path classes = directory.resolve("classes.txt");
        List<String> command = TestJvm.command(Main.class.getName());
        command.add(1, "-Xlog:class+load:file=" + classes);
        command.add("doctor");
        assertThat(TestJvm.run(new ProcessBuilder(command).directory(directory.toFile()), 0))
                .contains("tokenizers");
        assertThat(classes)
                .content()
                .contains("ai.djl.huggingface.tokenizers.jni.LibUtils")
                .doesNotContain("com.sun.jna.NativeLibrary");
    }

    private String problem() {
        return "the tokenizer library cannot be unpacked to " + cache.resolve("tokenizers")
                + " and loaded from there (java.nio.file.FileSystemException: " + cache
                + ": Not a directory); set the environment variable DJL_CACHE_DIR to a directory that this user can"
                + " write to and run programs from";
    }

    @Test
    void aCommandNamesTheDirectoryAndNotTheFilesOfTheUser() throws IOException, InterruptedException {
        Path model = LetterTokenizer.write(TestFiles.copyModel("llama-tiny", directory.resolve("model")), true);
        Path rows = TestFiles.write(directory.resolve("rows.jsonl"), "{\"text\":\"abc\"}\n");
        assertThat(run(1, "logps --model_name_or_path %s --dataset_name %s --device cpu", model, rows))
                .endsWith("dpo4j: error: " + problem() + "\n");
    }

    @Test
    void doctorNamesTheDirectory() throws IOException, InterruptedException {
        assertThat(run(0, "doctor").lines())
                .anyMatch(line -> line.matches("tokenizers +not usable: .*") && line.endsWith(problem()))
                .anyMatch(line -> line.endsWith(" in " + cache.resolve("tokenizers")));
        JsonNode report = TestFiles.json(run(0, "doctor --json")).get("tokenizers");
        assertThat(report.get("usable").booleanValue()).isFalse();
        assertThat(report.get("version").textValue()).matches("[0-9.-]+");
        assertThat(report.get("directory").textValue())
                .isEqualTo(cache.resolve("tokenizers").toString());
        assertThat(report.get("reason").textValue()).contains("Not a directory");
    }
}
