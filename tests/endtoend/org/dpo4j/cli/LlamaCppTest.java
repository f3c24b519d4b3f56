package org.dpo4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.dpo4j.export.GgufCases;
import org.dpo4j.export.LlamaCppProcess;
import org.dpo4j.model.TestFiles;
import org.dpo4j.model.TestJvm;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** llama.cpp reads exported models, and chooses the tokens that dpo4j chooses. */
@Tag("long")
@Timeout(120)
class LlamaCppTest {
    private static final int TOKENS = 40;
    /** llama.cpp b4916 of March 2025, which java-llama.cpp 4.2.0 contains, is older than Qwen3. */
    private static final Set<String> TOO_NEW = Set.of("qwen3");

    private static final String PROMPT = "The 12 girls aren't in  the house; once 4096 dogs were";

    @TempDir
    Path directory;

    /** One random model of each family and way to scale positions. With 40 tokens each window and scaling has an effect. */
    @Test
    void smallModelsOfEachFamilyGiveTheSameTokens() throws Exception {
        List<Path> models = new ArrayList<>();
        for (JsonNode each : GgufCases.all().toList()) {
            String name = each.get("name").textValue();
            if (!TOO_NEW.contains(name)) {
                models.add(GgufCases.write(name, Files.createDirectory(directory.resolve(name))));
            }
        }
        assertSameTokens(models, PROMPT);
    }

    @Test
    void aTrainedModelGivesTheSameTokens() throws Exception {
        assertSameTokens(List.of(TestFiles.real("models/TinyStories-656K")), "Tom's 3 dogs sat there.  They");
    }

    private void assertSameTokens(List<Path> models, String prompt) throws IOException, InterruptedException {
        List<String> command = TestJvm.command(LlamaCppProcess.class.getName(), Integer.toString(TOKENS), prompt);
        for (Path model : models) {
            Path file = directory.resolve(model.getFileName() + ".gguf");
            Cli.run("export --dtype f32 %s %s", model, file).assertSucceeded();
            command.add(file.toString());
        }
        ProcessBuilder process = new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.DISCARD);
        List<JsonNode> found = TestJvm.run(process, 0)
                .lines()
                .filter(line -> line.startsWith("{"))
                .map(TestFiles::json)
                .toList();
        assertThat(found).hasSameSizeAs(models);
        for (int i = 0; i < models.size(); i++) {
            JsonNode own = generate(models.get(i), prompt);
            String name = models.get(i).getFileName().toString();
            List<JsonNode> ids = new ArrayList<>();
            own.get("prompt_ids").forEach(ids::add);
            assertThat(ids.subList(ids.size() - found.get(i).get("ids").size(), ids.size()))
                    .as(name)
                    .containsExactlyElementsOf(found.get(i).get("ids"));
            assertThat(found.get(i).get("text").textValue())
                    .as(name)
                    .isEqualTo(own.get("completion").textValue());
        }
    }

    private static JsonNode generate(Path model, String prompt) {
        return Cli.run(
                        "generate --model_name_or_path %s --prompt %s --max_new_tokens %s --temperature 0 --json"
                                + " --device cpu --dtype float32",
                        model, prompt, TOKENS)
                .assertSucceeded()
                .json()
                .get(0);
    }
}
