package org.dpo4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.dpo4j.export.GgufCases;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * The greedy text of small models against that of llama.cpp, which read the files of its own converter
 * (golden/gguf_files.py). {@code GgufFilesTest} compares exported files with those, so together they say that llama.cpp
 * chooses our tokens from our files.
 */
class LlamaCppGoldenTest {
    @TempDir
    Path directory;

    static Stream<String> names() {
        return GgufCases.all().map(each -> each.get("name").textValue());
    }

    @ParameterizedTest
    @MethodSource("names")
    void chosenTokensAreThoseOfLlamaCpp(String name) {
        JsonNode expected = GgufCases.named(name).get("greedy");
        JsonNode own = Cli.run(
                        "generate --model_name_or_path %s --prompt %s --max_new_tokens 40 --temperature 0 --json"
                                + " --device cpu --dtype float32",
                        GgufCases.write(name, directory), "The 12 girls aren't in  the house; once 4096 dogs were")
                .assertSucceeded()
                .json()
                .get(0);
        assertThat(own.get("prompt_ids")).isEqualTo(expected.get("prompt"));
        assertThat(own.get("completion")).isEqualTo(expected.get("text"));
    }
}
