package org.dpo4j.report.card;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.dpo4j.model.TestFiles;
import org.dpo4j.report.Metrics;
import org.dpo4j.report.RunEnd;
import org.dpo4j.report.RunEnd.Status;
import org.dpo4j.report.RunStart;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.yaml.snakeyaml.Yaml;

/** The model card. */
class ModelCardTest {
    @TempDir
    private Path directory;

    private final Map<String, String> options = new LinkedHashMap<>(Map.of("beta", "0.1", "loss_type", "sigmoid,sft"));

    @BeforeEach
    void model() {
        TestFiles.write(directory.resolve("config.json"), "{}");
    }

    private String card(int step) {
        ModelCard card = new ModelCard();
        card.started(new RunStart("dpo", directory, options, Map.of(), 0, 9, List.of()));
        card.metrics(new Metrics(step, Map.of("rewards/margins", 0.71298)));
        card.ended(new RunEnd(Status.COMPLETED, step, null));
        Path file = directory.resolve("README.md");
        return Files.exists(file) ? TestFiles.read(file) : "";
    }

    private static Map<String, Object> frontMatter(String card) {
        assertThat(card).startsWith("---\n");
        return new Yaml().load(card.substring(4, card.indexOf("\n---\n", 4)));
    }

    @Test
    void theHubReadsModelDataAndLicence() throws Exception {
        Path base = directory.resolve("models--Qwen--Qwen2.5-0.5B/snapshots/0a1b");
        Files.createDirectories(base);
        TestFiles.write(
                base.resolve("README.md"), "---\nlanguage: en\nlicense: apache-2.0\ntags: [a]\n---\nlicense: other\n");
        options.put("model_name_or_path", base.toString());
        options.put("dataset_name", "org/pairs");
        options.put("run_name", "a: \"name\"");
        assertThat(frontMatter(card(9)))
                .containsEntry("base_model", "Qwen/Qwen2.5-0.5B")
                .containsEntry("datasets", List.of("org/pairs"))
                .containsEntry("library_name", "transformers")
                .containsEntry("license", "apache-2.0")
                .containsEntry("model_name", "a: \"name\"")
                .containsEntry("pipeline_tag", "text-generation")
                .containsEntry("tags", List.of("generated_from_trainer", "dpo4j", "dpo"));
    }

    /** As PEFT's card, it names the base model, also if the run began with an adapter of it. */
    @Test
    void anAdapterNamesItsBaseModel() throws Exception {
        Files.delete(directory.resolve("config.json"));
        TestFiles.write(
                directory.resolve("adapter_config.json"),
                "{\"base_model_name_or_path\": \"Qwen/Qwen2.5-0.5B\", \"peft_type\": \"LORA\"}");
        options.put("model_name_or_path", directory.resolve("earlier").toString());
        String card = card(9);
        assertThat(frontMatter(card))
                .containsEntry("base_model", "Qwen/Qwen2.5-0.5B")
                .containsEntry("library_name", "peft")
                .containsEntry(
                        "tags",
                        List.of(
                                "generated_from_trainer",
                                "dpo4j",
                                "dpo",
                                "lora",
                                "base_model:adapter:Qwen/Qwen2.5-0.5B"));
        assertThat(card).contains("a LoRA adapter of `Qwen/Qwen2.5-0.5B`", "Install `peft`");
    }

    /** The hub refuses a card that names what it does not have. */
    @Test
    void filesAreNotNamedAsModelsOfTheHub() {
        options.put("model_name_or_path", directory.resolve("base").toString());
        options.put("dataset_name", "/data/pairs.jsonl");
        options.put("eval_dataset", "new=/data/a b/n.jsonl+/data/m.jsonl,old=/data/o.jsonl");
        options.put("datasets", "[{\"path\":\"/data/all\"},{\"path\":\"org/some\"}]");
        String card = card(9);
        assertThat(frontMatter(card)).doesNotContainKeys("base_model", "datasets", "license");
        assertThat(card)
                .contains("`base`", "Direct Preference Optimization", "9 of 9 steps", "| `rewards/margins` | 0.7130 |")
                .contains("| `beta` | `0.1` |", "rafailov2023direct", "| `dataset_name` | `pairs.jsonl` |")
                .contains("| `new=n.jsonl+m.jsonl,old=o.jsonl` |", "`[{\"path\":\"all\"},{\"path\":\"org/some\"}]`")
                .doesNotContain("/data/", directory.toString());
    }

    @Test
    void onlyItsOwnCardIsReplaced() {
        card(3);
        assertThat(card(9)).contains("9 of 9 steps");
        TestFiles.write(directory.resolve("README.md"), "# Mine\n");
        assertThat(card(4)).isEqualTo("# Mine\n");
    }

    @Test
    void aRunThatTrainedNothingWritesNone() {
        assertThat(card(0)).isEmpty();
    }
}
