package org.dpo4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Words and files of options: what is understood, and the one line that says what is not. */
class CommandLineTest {
    @TempDir
    Path directory;

    private static void assertNotUnderstood(Cli cli, String message) {
        assertThat(cli.err()).containsExactly("dpo4j: error: " + message);
        assertThat(cli.code()).isEqualTo(2);
        assertThat(cli.out()).isEmpty();
    }

    @Test
    void help() {
        assertThat(Cli.run("--help").code()).isZero();
        assertThat(Cli.run("help").out()).isEqualTo(Cli.run("--help").out()).anyMatch(line -> line.contains("doctor"));
        assertThat(Cli.run("help", "dpo").out())
                .isEqualTo(Cli.run("dpo", "--help").out())
                .anyMatch(line -> line.contains("--beta"));
    }

    @Test
    void version() {
        Cli version = Cli.run("--version");
        assertThat(version.out()).singleElement().asString().startsWith("dpo4j ");
        assertThat(version.code()).isZero();
    }

    @Test
    void commandsThatAreNone() {
        assertNotUnderstood(Cli.run(), "no command; ./dpo4j help lists them");
        assertNotUnderstood(
                Cli.run("logp"), "unknown word logp (./dpo4j help lists the commands); did you mean logps?");
    }

    @Test
    void unknownOptionsNameTheNearest() {
        assertNotUnderstood(
                Cli.run("dpo", "--learning_rte", "1"),
                "unknown option --learning_rte of dpo; did you mean learning_rate?");
        assertNotUnderstood(Cli.run("dpo", "--xyzzy"), "unknown option --xyzzy of dpo");
        assertNotUnderstood(Cli.run("doctor", "--jsn"), "unknown option --jsn of doctor; did you mean json?");
    }

    @Test
    void lettersTheLocaleCannotHold() {
        assertNotUnderstood(
                Cli.run("generate", "--prompt", "Zo\ufffd"),
                "the locale cannot represent the arguments; set LC_ALL=C.UTF-8 and try again");
    }

    @Test
    void missingOptions() {
        Cli cli = Cli.run("logps", "--device", "cpu");
        assertThat(cli.code()).isEqualTo(2);
        assertThat(cli.err()).containsExactly("dpo4j: error: model_name_or_path is missing; give it");
        assertThat(Cli.run("logps", "--model_name_or_path", "m").err())
                .containsExactly("dpo4j: error: dataset_name is missing; give it");
        Cli dpo = Cli.run("dpo", "--device", "cpu");
        assertThat(dpo.err()).containsExactly("dpo4j: error: model_name_or_path is missing; give it");
        assertThat(dpo.code()).isEqualTo(1);
    }

    @Test
    void valuesThatAreNone() {
        assertNotUnderstood(
                Cli.run("dpo", "--max-steps", "many"),
                "max_steps is many; it must be a whole number from 1 to 1,000,000,000, or -1 for num_train_epochs");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "--use_peft true|--use_peft true is not supported: adapters are not supported; all weights are trained",
                "--use-peft|--use_peft true is not supported: adapters are not supported; all weights are trained",
                "--lora_r=8|--lora_r 8 is not supported: adapters are not supported; all weights are trained",
                "--max_prompt_length 512|--max_prompt_length 512 is not supported: set max_length, which counts prompt"
                        + " and completion",
                "--optim rmsprop|--optim rmsprop is not supported: AdamW is the only optimizer; adam_moments_dtype makes its state smaller",
                "--precompute_ref_batch_size 4|--precompute_ref_batch_size 4 is not supported: set"
                        + " per_device_eval_batch_size",
                "--torch_dtype bfloat16|--torch_dtype bfloat16 is not supported: set dtype"
            })
    void optionsOfTrlThatThereAreNone(String words, String message) {
        assertNotUnderstood(Cli.run(("dpo " + words).split(" ")), message);
    }

    /** They get past the command line, to the first thing that is missing. */
    @ParameterizedTest
    @CsvSource({
        "--use_peft False",
        "--report_to none",
        "--optim=adamw_torch",
        "--resume-from-checkpoint None",
        "--precompute_ref_log_probs",
        "--precompute_ref_log_probs false",
        "--padding_free"
    })
    void optionsOfTrlThatAskForWhatHoldsAnyway(String words) {
        assertThat(Cli.run(("dpo " + words).split(" ")).err())
                .containsExactly("dpo4j: error: model_name_or_path is missing; give it");
    }

    @Test
    void debugShowsWhereAnErrorCameFrom() {
        Cli cli = Cli.run("dpo", "--debug");
        assertThat(cli.err().get(0)).isEqualTo("dpo4j: error: model_name_or_path is missing; give it");
        assertThat(cli.err()).anyMatch(line -> line.contains("at org.dpo4j.train."));
    }

    private Cli dpo(String yaml, String... more) {
        Path file = Cli.write(directory.resolve("dpo.yaml"), yaml);
        String[] arguments = new String[more.length + 3];
        arguments[0] = "dpo";
        arguments[1] = "--config";
        arguments[2] = file.toString();
        System.arraycopy(more, 0, arguments, 3, more.length);
        return Cli.run(arguments);
    }

    /** The model that is missing tells whose value was taken. */
    @Test
    void theCommandLineWinsOverTheFile() {
        String yaml = "model-name-or-path: from-file\ndataset_name: data.jsonl\noutput_dir: " + directory.resolve("out")
                + "\ndevice: cpu\nlearning_rate: 5e-7\nloss_type: [sigmoid]\nbf16: false\neval_steps: null\n";
        assertThat(dpo(yaml).err()).last().asString().contains("from-file");
        assertThat(dpo(yaml, "--model_name_or_path", "from-words").err())
                .last()
                .asString()
                .contains("from-words");
        assertThat(dpo(yaml, "--model-name-or-path=from-words").err())
                .last()
                .asString()
                .contains("from-words");
    }

    @Test
    void valuesOfTheFileAreChecked() {
        Cli cli = dpo("model_name_or_path: m\ndataset_name: d\noutput_dir: o\nbeta: -1");
        assertThat(cli.err())
                .containsExactly("dpo4j: error: " + directory.resolve("dpo.yaml")
                        + " line 4: beta is -1; it must be from 1e-30 to 1e6");
    }

    @Test
    void trlOptionsInTheFile() {
        assertThat(dpo("use_peft: false\nreport_to: []\nresume_from_checkpoint: null\nsave_strategy: no")
                        .err())
                .containsExactly("dpo4j: error: model_name_or_path is missing; give it");
    }

    @Test
    void doctor() {
        Cli table = Cli.run("doctor");
        assertThat(table.code()).isZero();
        assertThat(table.out())
                .anyMatch(line -> line.matches("cpu +usable"))
                .anyMatch(line -> line.matches("library versions +JavaCPP .*, CUDA preset .*, oneDNN .*"))
                .anyMatch(line -> line.startsWith("cuda "))
                .anyMatch(line -> line.matches("tokenizers +usable"))
                .anyMatch(line -> line.matches("tokenizers library +[0-9.-]+ in /.*tokenizers"));
        Cli json = Cli.run("doctor", "--json");
        JsonNode report = Cli.parse(String.join("\n", json.out()));
        assertThat(report.at("/cpu/usable").booleanValue()).isTrue();
        assertThat(report.at("/cuda").has("usable")).isTrue();
        assertThat(report.at("/tokenizers/usable").booleanValue()).isTrue();
        assertThat(report.at("/tokenizers/version").textValue()).matches("[0-9.-]+");
        assertThat(report.at("/tokenizers/directory").textValue()).matches("/.*tokenizers");
        assertThat(report.at("/versions/oneDNN").textValue()).matches("\\d+\\.\\d+\\.\\d+");
        assertThat(report.get("java").textValue()).contains(System.getProperty("java.version"));
    }

    /** For scripts: the exit code says whether the device that is named can be used; without a name it says so of the cpu. */
    @Test
    void doctorOfADevice() {
        boolean hasCuda = Cli.parse(
                        String.join("\n", Cli.run("doctor", "--json").out()))
                .at("/cuda/usable")
                .booleanValue();
        assertThat(Cli.run("doctor", "--device", "cuda").code()).isEqualTo(hasCuda ? 0 : 1);
        assertThat(Cli.run("doctor", "--device", "cuda", "--json").code()).isEqualTo(hasCuda ? 0 : 1);
        assertThat(Cli.run("doctor", "--device", "cpu").code()).isZero();
        Cli unknown = Cli.run("doctor", "--device", "gpu");
        assertThat(unknown.code()).isEqualTo(1);
        assertThat(unknown.err()).containsExactly("dpo4j: error: device gpu is unknown: use cuda or cpu");
    }

    /** As text and as JSON, also where there is no GPU: who sets the variable sees that it was understood. */
    @Test
    void doctorSaysWhichKernelsAreOff() {
        String property = "dpo4j.without";
        assertThat(Cli.run("doctor").out()).noneMatch(line -> line.startsWith("cuda kernels off"));
        System.setProperty(property, "lm_head_forward_sm90a,attention_backward_sm90a");
        try {
            assertThat(Cli.run("doctor").out())
                    .anyMatch(line -> line.matches("cuda kernels off +lm_head_forward_sm90a, attention_backward_sm90a"))
                    .anyMatch(line -> line.matches("cuda searched +.+"));
            JsonNode report =
                    Cli.parse(String.join("\n", Cli.run("doctor", "--json").out()));
            assertThat(report.at("/cuda/without/0").textValue()).isEqualTo("lm_head_forward_sm90a");
            assertThat(report.at("/cuda/without").size()).isEqualTo(2);
        } finally {
            System.clearProperty(property);
        }
    }

    @Test
    void unknownDevices() {
        String model = Cli.repository("tests/golden/llama-tiny").toString();
        Cli cli = Cli.run("generate", "--model_name_or_path", model, "--prompt", "a", "--json", "--device", "gpu");
        assertThat(cli.code()).isEqualTo(1);
        assertThat(cli.err()).containsExactly("dpo4j: error: device gpu is unknown: use auto, cuda or cpu");
    }

    @ParameterizedTest
    @CsvSource({"kitten, sitting, 3", "abc, abc, 0", "'', abc, 3", "abc, '', 3", "ab, ba, 2"})
    void distances(String a, String b, int distance) {
        assertThat(NearestName.distance(a, b)).isEqualTo(distance);
    }
}
