package org.dpo4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.dpo4j.io.JsonFile;
import org.dpo4j.model.TestFiles;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Words and files of options: which are understood, and the one line of error for the others. */
class CommandLineTest {
    private static final String NO_MODEL = "model_name_or_path is missing; give it";

    @TempDir
    Path directory;

    @Test
    void help() {
        Cli help = Cli.run("--help").assertSucceeded();
        assertThat(Cli.run("help").out()).isEqualTo(help.out()).anyMatch(line -> line.contains("doctor"));
        assertThat(Cli.run("help dpo").out())
                .isEqualTo(Cli.run("dpo --help").out())
                .anyMatch(line -> line.contains("--beta"))
                .anyMatch(line -> line.contains("default sigmoid."));
    }

    @Test
    void version() {
        Cli version = Cli.run("--version").assertSucceeded();
        assertThat(version.out()).singleElement().asString().startsWith("dpo4j ");
    }

    @Test
    void unknownWordsAndOptionsNameTheNearest() {
        Cli.run("").assertUsageError("no command; ./dpo4j help lists them");
        Cli.run("--config run.yaml").assertUsageError("no command; ./dpo4j help lists them");
        Cli.run("logp").assertUsageError("unknown word logp (./dpo4j help lists the commands); did you mean logps?");
        Cli.run("dpo --learning_rte 1")
                .assertUsageError("unknown option --learning_rte of dpo; did you mean learning_rate?");
        Cli.run("dpo --xyzzy").assertUsageError("unknown option --xyzzy of dpo");
        Cli.run("doctor --jsn").assertUsageError("unknown option --jsn of doctor; did you mean json?");
    }

    @Test
    void textThatTheLocaleCannotRepresentIsRefused() {
        Cli.run("generate --prompt %s", "Zo\ufffd")
                .assertUsageError("the locale cannot represent the arguments; set LC_ALL=C.UTF-8 and try again");
    }

    /** Names from a file or a path may hold line breaks and commands to the terminal. */
    @Test
    void controlCharactersOfAnErrorAreWritten() throws IOException {
        String name = "a\n\u001b[31m\u202eb\r\0";
        Path model = Files.createDirectory(directory.resolve("model"));
        String written = "\"aU+000AU+001B[31mU+202EbU+000DU+0000\"";
        TestFiles.write(
                model.resolve("config.json"),
                "{\"model_type\": " + JsonFile.object().textNode(name) + "}");
        Cli.run("generate --device cpu --prompt a --model_name_or_path %s", model)
                .assertThatRunEndedWith()
                .startsWith("dpo4j: error: " + model.resolve("config.json") + ": model_type is " + written
                        + ", a family that is not supported");
        Cli.run(List.of("generate", "--device", "cpu", "--prompt", "a", "--model_name_or_path", directory + "/x\ny"))
                .assertThatRunEndedWith()
                .startsWith("dpo4j: error: " + directory + "/xU+000Ay does not exist");
    }

    @Test
    void missingOptionsAreNamed() {
        Cli.run("logps --device cpu").assertUsageError(NO_MODEL);
        Cli.run("logps --model_name_or_path m").assertError("dataset_name is missing; give it");
        Cli dpo = Cli.run("dpo --device cpu");
        dpo.assertError(NO_MODEL);
        assertThat(dpo.code()).isEqualTo(1);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
        --use_dora true | --use_dora true is not supported: DoRA is not supported; leave it out to train LoRA
        --use-dora | --use_dora true is not supported: DoRA is not supported; leave it out to train LoRA
        --lora_modules_to_save=lm_head | --lora_modules_to_save lm_head is not supported: trained copies of whole modules are not supported; leave it out
        --optim adafactor | optim is adafactor; it must be one of adamw_torch, adamw_torch_fused, adamw_8bit, adamw_bnb_8bit, sgd, rmsprop, lion_32bit; adafactor is not supported: to save memory, set adamw_8bit; else adamw_torch
        --precompute_ref_batch_size 4 | --precompute_ref_batch_size 4 is not supported: set per_device_eval_batch_size
        --torch_dtype bfloat16 | --torch_dtype bfloat16 is not supported: set dtype
        """)
    void optionsOfTrlThatDpo4jLacksAreRefusedWithAdvice(String words, String message) {
        Cli.run("dpo " + words).assertUsageError(message);
    }

    /** The command line is accepted, so the error is about the first option that is missing. */
    @ParameterizedTest
    @ValueSource(
            strings = {
                "--use_dora False",
                "--report_to none",
                "--optim=adamw_torch",
                "--resume-from-checkpoint None",
                "--precompute_ref_log_probs",
                "--precompute_ref_log_probs false",
                "--padding_free"
            })
    void optionsOfTrlWhoseValueDpo4jAlwaysUsesAreAccepted(String words) {
        Cli.run("dpo " + words).assertError(NO_MODEL);
    }

    @Test
    void debugPrintsTheStackTrace() {
        Cli cli = Cli.run("dpo --debug");
        assertThat(cli.err().get(0)).isEqualTo("dpo4j: error: " + NO_MODEL);
        assertThat(cli.err()).anyMatch(line -> line.contains("at org.dpo4j.train."));
    }

    private Cli dpo(String yaml, String more) {
        return Cli.run("dpo --config %s " + more, TestFiles.write(directory.resolve("dpo.yaml"), yaml));
    }

    /** No such model exists, so the error names the value that was used. */
    @Test
    void theCommandLineOverridesTheFile() {
        String yaml = "model-name-or-path: from-file\ndataset_name: data.jsonl\noutput_dir: " + directory.resolve("out")
                + "\ndevice: cpu\nlearning_rate: 5e-7\nloss_type: [sigmoid]\nbf16: false\neval_steps: null\n";
        assertThat(dpo(yaml, "").err()).last().asString().contains("from-file");
        for (String words : new String[] {"--model_name_or_path from-words", "--model-name-or-path=from-words"}) {
            assertThat(dpo(yaml, words).err()).last().asString().contains("from-words");
        }
    }

    @Test
    void doctorReportsDevicesAndLibraries() {
        Cli.run("doctor")
                .assertSucceeded()
                .assertPrints("cpu +usable")
                .assertPrints("library versions +JavaCPP .*, CUDA preset .*, oneDNN .*")
                .assertPrints("cuda .*")
                .assertPrints("tokenizers +usable")
                .assertPrints("tokenizers library +[0-9.-]+ in /.*tokenizers");
        JsonNode report = Cli.run("doctor --json").document();
        assertThat(report.at("/cpu/usable").booleanValue()).isTrue();
        assertThat(report.at("/cuda").has("usable")).isTrue();
        assertThat(report.at("/tokenizers/usable").booleanValue()).isTrue();
        assertThat(report.at("/tokenizers/version").textValue()).matches("[0-9.-]+");
        assertThat(report.at("/tokenizers/directory").textValue()).matches("/.*tokenizers");
        assertThat(report.at("/versions/oneDNN").textValue()).matches("\\d+\\.\\d+\\.\\d+");
        assertThat(report.get("java").textValue()).contains(System.getProperty("java.version"));
    }

    /** Scripts read from the exit code whether the device can be used. The default device is the cpu. */
    @Test
    void theExitCodeOfDoctorSaysWhetherTheDeviceIsUsable() {
        boolean hasCuda = Cli.run("doctor --json").document().at("/cuda/usable").booleanValue();
        assertThat(Cli.run("doctor --device cuda").code()).isEqualTo(hasCuda ? 0 : 1);
        assertThat(Cli.run("doctor --device cuda --json").code()).isEqualTo(hasCuda ? 0 : 1);
        Cli.run("doctor --device cpu").assertSucceeded();
        Cli unknown = Cli.run("doctor --device gpu");
        unknown.assertError("device gpu is unknown: use cuda or cpu");
        assertThat(unknown.code()).isEqualTo(1);
    }

    /** As text and as JSON, and without a GPU too: the user sees that the variable was understood. */
    @Test
    void doctorSaysWhichKernelsAreOff() {
        String property = "dpo4j.without";
        assertThat(Cli.run("doctor").out()).noneMatch(line -> line.startsWith("cuda kernels off"));
        System.setProperty(property, "lm_head_forward_sm90a,attention_backward_sm90a");
        try {
            Cli.run("doctor")
                    .assertPrints("cuda kernels off +lm_head_forward_sm90a, attention_backward_sm90a")
                    .assertPrints("cuda searched +.+");
            JsonNode report = Cli.run("doctor --json").document();
            assertThat(report.at("/cuda/without/0").textValue()).isEqualTo("lm_head_forward_sm90a");
            assertThat(report.at("/cuda/without").size()).isEqualTo(2);
        } finally {
            System.clearProperty(property);
        }
    }

    @Test
    void anUnknownDeviceIsRefused() {
        Cli cli = Cli.run("generate --model_name_or_path %s --prompt a --json --device gpu", Cli.MODEL);
        cli.assertError("device gpu is unknown: use auto, cuda or cpu");
        assertThat(cli.code()).isEqualTo(1);
    }

    @ParameterizedTest
    @CsvSource({"kitten, sitting, 3", "abc, abc, 0", "'', abc, 3", "abc, '', 3", "ab, ba, 2"})
    void editDistances(String a, String b, int distance) {
        assertThat(NearestName.distance(a, b)).isEqualTo(distance);
    }
}
