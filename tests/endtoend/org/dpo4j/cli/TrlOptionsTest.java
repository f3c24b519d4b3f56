package org.dpo4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.dpo4j.model.TestFiles;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Every option of TRL 1.16 and transformers 5.23, as their own classes list them (tests/golden/trl_options.py). */
class TrlOptionsTest {
    @TempDir
    Path directory;

    /** Each option with TRL's default. */
    private static Map<String, JsonNode> defaults(String command) {
        JsonNode golden = TestFiles.json(TestFiles.golden("trl_options.json"));
        Map<String, JsonNode> defaults = new TreeMap<>();
        for (String table : List.of(command.toUpperCase(Locale.ROOT) + "Config", "ModelConfig", "ScriptArguments")) {
            golden.get(table).properties().forEach(field -> defaults.put(field.getKey(), field.getValue()));
        }
        return defaults;
    }

    private static String line(String name, Object value) {
        return name + ": " + value + "\n"; // JSON is YAML
    }

    private Cli run(String command, String yaml) {
        return Cli.run(command + " --config %s", TestFiles.write(directory.resolve("options.yaml"), yaml));
    }

    /** A run on a model of 64 positions accepts the whole file. */
    @ParameterizedTest
    @ValueSource(strings = {"dpo", "kto", "sft"})
    void everyOptionAtItsDefaultIsAccepted(String command) {
        Map<String, JsonNode> defaults = defaults(command);
        assertThat(defaults).hasSizeGreaterThan(150);
        defaults.keySet().removeAll(Set.of("model_name_or_path", "dataset_name", "output_dir"));
        StringBuilder yaml = new StringBuilder();
        defaults.forEach((name, value) -> yaml.append(line(name, value)));
        Path rows = TestFiles.write(
                directory.resolve("rows.jsonl"),
                command.equals("sft")
                        ? "{\"ids\": [3, 4, 5, 6, 7, 2]}\n"
                        : "{\"prompt_ids\": [3, 4], \"chosen_ids\": [5, 6, 7], \"rejected_ids\": [8, 9]}\n");
        yaml.append(line("model_name_or_path", Cli.MODEL));
        yaml.append(line("dataset_name", rows));
        yaml.append(line("output_dir", directory.resolve("out")));
        Cli run = run(command + " --device cpu", yaml.toString()).assertSucceeded();
        assertThat(run.err()).isEmpty();
        assertThat(directory.resolve("out/model.safetensors")).exists();
    }

    static Stream<Arguments> fields() {
        Set<String> common = defaults("dpo").keySet();
        return Stream.of("dpo", "kto", "sft")
                .flatMap(command -> defaults(command).entrySet().stream()
                        .filter(field -> !command.equals("kto") || isOfKto(field.getKey(), common))
                        .map(field -> Arguments.of(command, field.getKey(), field.getValue())));
    }

    /** The options that only kto has, or that it declares itself. The others are those of dpo. */
    private static boolean isOfKto(String name, Set<String> common) {
        return !common.contains(name)
                || Set.of("loss_type", "beta", "train_sampling_strategy").contains(name);
    }

    /**
     * An option with a value other than TRL's default is accepted, so that the run ends at the first missing option, or it
     * is refused by name with advice. No option is unknown.
     */
    @ParameterizedTest(name = "{0} {1}")
    @MethodSource("fields")
    void noOptionIsUnknown(String command, String name, JsonNode value) {
        for (String other : others(value)) {
            Cli run = run(command, line(name, other));
            assertThat(run.code()).isNotZero();
            run.assertThatError().satisfies(message -> {
                boolean isAccepted =
                        message.matches("dpo4j: error: (model_name_or_path|dataset_name) is missing; give it");
                boolean isNamed = message.startsWith(errorOfLine1() + name + " ");
                boolean isOfEval = message.matches("dpo4j: error: eval_(steps|strategy) .*");
                assertThat(isAccepted || isNamed || isOfEval).as(message).isTrue();
                assertThat(message).doesNotContain("unknown option", "should not happen");
            });
        }
    }

    private String errorOfLine1() {
        return "dpo4j: error: " + directory.resolve("options.yaml") + " line 1: ";
    }

    private static String[] others(JsonNode value) {
        if (value.isBoolean()) {
            return new String[] {Boolean.toString(!value.booleanValue()), "[1, 2]"};
        }
        if (value.isNumber()) {
            return new String[] {Double.toString(value.doubleValue() + 0.5), "9", "many"};
        }
        return new String[] {"other", "7", "true", "{a: 1}"};
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "do_eval: true",
                "dataset_splits: [train]",
                "dataset_mixer: {}",
                "preprocessing_num_workers: null",
                "dataloader_num_workers: 0",
                "dataloader_num_workers: 0.0",
                "ddp_backend:",
                "use_cpu: no",
                "fp16: off",
                "f_alpha_divergence_coef: 0.5",
                "discopop_tau: 0.05",
                "bf16: false",
                "lora_dropout: 5e-2",
                "report_to: []",
                "report_to: [none]",
                "save_strategy: no",
                "debug: ''",
                "max_length: null",
                "beta: null",
                "optim: adamw_torch",
                "weight_decay:",
                "dpop_lambda: 50",
                "simpo_gamma: 0.5",
                "gradient_checkpointing: true",
                "gradient_checkpointing_kwargs: {use_reentrant: false}"
            })
    void valuesThatMatchWhatDpo4jAlwaysDoesAreAccepted(String line) {
        run("dpo", line).assertError("model_name_or_path is missing; give it");
    }

    /** Fields of alignment-handbook's DataArguments and ModelArguments (src/alignment/configs.py, v0.4). */
    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
        dataset_mixer | {a/b: 1.0} | {...} | give datasets, a list with path and fraction or weight
        dataset_splits | [train_prefs, test_prefs] | [...] | give dataset_train_split and dataset_test_split
        preprocessing_num_workers | 12 | 12 | rows are converted on all cores; leave it out
        auto_insert_empty_system_msg | true | true | render the chat template first and give text
        tokenizer_name_or_path | a/b | a/b | put the tokenizer's files beside the model's, in model_name_or_path
        """)
    void optionsOfAlignmentHandbookAreRefusedByName(String option, String value, String shown, String advice) {
        assertThat(run("dpo", line(option, value)).err())
                .containsExactly(errorOfLine1() + option + " " + shown + " is not supported: " + advice);
    }
}
