package org.dpo4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import picocli.CommandLine;
import picocli.CommandLine.Model.OptionSpec;

/** Values of options: paths, numbers and their ranges, names. */
class OptionValuesTest {
    private static final String MODEL =
            Cli.repository("tests/golden/llama-tiny").toString();

    @TempDir
    Path directory;

    private static String home() {
        String home = System.getenv("HOME");
        return home == null || home.isEmpty() ? System.getProperty("user.home") : home;
    }

    private String rows() {
        return Cli.write(
                        directory.resolve("rows.jsonl"),
                        "{\"prompt_ids\": [3, 4], \"chosen_ids\": [5, 6, 7], \"rejected_ids\": [8, 9]}\n".repeat(3))
                .toString();
    }

    private static void assertError(Cli cli, String message) {
        assertThat(cli.err()).containsExactly("dpo4j: error: " + message);
        assertThat(cli.code()).isNotZero();
    }

    @Test
    void aTildeIsTheHomeDirectory() {
        String none = home() + "/dpo4j-there-is-no-such-thing";
        String tilde = "~/dpo4j-there-is-no-such-thing";
        assertError(Cli.run("dpo", "--config=" + tilde), none + " does not exist; give a file of options");
        assertError(Cli.run("dpo", "--config", tilde), none + " does not exist; give a file of options");
        assertThat(Cli.run("logps", "--model_name_or_path=" + tilde, "--dataset_name", "rows", "--device", "cpu")
                        .err())
                .singleElement()
                .asString()
                .contains(none + " does not exist");
        Path file = Cli.write(
                directory.resolve("logps.yaml"), "model_name_or_path: " + tilde + "\ndataset_name: ~\ndevice: cpu");
        assertThat(Cli.run("logps", "--dataset_name=r", "--config", file.toString())
                        .err())
                .singleElement()
                .asString()
                .contains(none + " does not exist");
        assertThat(Cli.run("logps", "--model_name_or_path", MODEL, "--dataset_name", tilde, "--device", "cpu")
                        .err())
                .singleElement()
                .asString()
                .contains(none);
        assertThat(OptionTypes.path("~").toString()).isEqualTo(home());
        assertThat(OptionTypes.path("a/~").toString()).isEqualTo("a/~");
        assertError(
                Cli.run("dpo", "--output_dir", "~somebody/run"),
                "output_dir is ~somebody/run; it must be a path: only ~ and ~/ are expanded, so write out the home"
                        + " directory, or ./~ for a name");
    }

    @Test
    void anEmptyPathIsMissing() {
        String[] words = {"dpo", "--model_name_or_path", MODEL, "--dataset_name", rows(), "--device", "cpu"};
        String empty = "output_dir is missing: its value is empty; give one, or leave the option out";
        assertError(run(words, "--output_dir", ""), empty);
        assertError(run(words, "--output_dir="), empty);
        Path file = Cli.write(directory.resolve("dpo.yaml"), "output_dir: ''\n");
        assertError(run(words, "--config", file.toString()), file + " line 1: " + empty);
        Cli.write(file, "output_dir:\n");
        assertError(run(words, "--config", file.toString()), "output_dir is missing; give it");
        assertThat(directory.resolve("model.safetensors")).doesNotExist();
    }

    private static Cli run(String[] words, String... more) {
        List<String> all = new ArrayList<>(Arrays.asList(words));
        all.addAll(Arrays.asList(more));
        return Cli.run(all.toArray(String[]::new));
    }

    /** Neither variables nor files of arguments nor quotes nor formats are looked for in a value. */
    @ParameterizedTest
    @ValueSource(
            strings = {"a$$b", "${HOME}", "${X:-y}", "@rows.jsonl", "%d%n", "\"q\"", "${DEFAULT-VALUE}", "#{x}", "\\$"})
    void valuesAreLiteral(String name) {
        for (boolean isInFile : new boolean[] {false, true}) {
            Path output = directory.resolve("out" + isInFile).resolve(name);
            Path file = Cli.write(
                    directory.resolve("dpo.yaml"),
                    "max_steps: 1\n" + (isInFile ? "output_dir: '" + output + "'\n" : "overwrite_output_dir: false\n"));
            String[] words = {
                "dpo",
                "--config",
                file.toString(),
                "--model_name_or_path",
                MODEL,
                "--dataset_name",
                rows(),
                "--device",
                "cpu"
            };
            Cli run = isInFile ? run(words) : run(words, "--output_dir", output.toString());
            assertThat(run.code()).as("%s", run.err()).isZero();
            assertThat(output.resolve("model.safetensors")).exists();
        }
    }

    /** An empty value, or an empty element of a list, is never taken for one that is left out. */
    @ParameterizedTest
    @ValueSource(
            strings = {"device", "truncation_mode", "loss_type", "f_divergence_type", "bf16", "beta", "loss_weights"})
    void emptyValuesAreMissing(String option) {
        String missing = option + " is missing: its value is empty; give one, or leave the option out";
        assertError(Cli.run("dpo", "--" + option, ""), missing);
        assertError(Cli.run("dpo", "--" + option + "="), missing);
        Path file = Cli.write(directory.resolve("dpo.yaml"), option + ": ''\n");
        assertError(Cli.run("dpo", "--config", file.toString()), file + " line 1: " + missing);
    }

    @ParameterizedTest
    @ValueSource(strings = {"sigmoid,", ",sigmoid", "sigmoid,,sft", "sigmoid, "})
    void emptyElementsAreRefused(String losses) {
        String message = "loss_type is " + losses + ", which has an empty element; leave that out";
        assertError(Cli.run("dpo", "--loss_type", losses), message);
        Path file = Cli.write(directory.resolve("dpo.yaml"), "loss_type: '" + losses + "'\n");
        assertError(Cli.run("dpo", "--config", file.toString()), file + " line 1: " + message);
        Cli.write(file, "loss_type: [sigmoid, '']\n");
        assertError(
                Cli.run("dpo", "--config", file.toString()),
                file + " line 1: loss_type is missing: its value is empty; give one, or leave the option out");
    }

    /** Of two values argparse takes the last, and of two lists too; neither is meant. */
    @ParameterizedTest
    @CsvSource({"beta,0.1,0.2", "loss_type,sigmoid,sft", "bf16,true,true", "output_dir,a,b"})
    void anOptionGivenTwice(String option, String first, String second) {
        assertError(
                Cli.run("dpo", "--" + option, first, "--" + option.replace('_', '-') + "=" + second),
                option + " is given twice; leave one out");
    }

    @Test
    void anOptionWithoutAValue() {
        assertError(Cli.run("dpo", "--beta"), "beta has no value; give one");
        assertError(Cli.run("dpo", "--loss_type", "--beta", "1"), "loss_type has no value; give one");
        assertError(Cli.run("dpo", "--help=5"), "help is 5; it must be true or false");
        Path file = Cli.write(directory.resolve("dpo.yaml"), "loss_type: --beta\n");
        assertError(
                Cli.run("dpo", "--config", file.toString()),
                file + " line 1: loss_type has a value that looks like an option; give another");
    }

    /** 1e40 is beyond float32, whose largest number is 3.4028235e38, and 1e-46 rounds to 0: its smallest is 1.4e-45. */
    @ParameterizedTest
    @ValueSource(strings = {"1e40", "-1e40", "3.5e38", "1e-46"})
    void numbersThatFloat32DoesNotHold(String number) {
        String wanted = "; it must be a number that float32 holds: 0, or from 1.4e-45 to 3.4e38 in size";
        assertError(Cli.run("dpo", "--discopop_tau=" + number), "discopop_tau is " + number + wanted);
        assertError(Cli.run("dpo", "--loss_weights=" + number), "loss_weights is " + number + wanted);
    }

    /** HfArgumentParser makes {@code --no_NAME} of every option that is true by default. */
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "--no_remove_unused_columns|model_name_or_path is missing; give it", // TRL's own scripts/dpo.py
                "--no_gradient_checkpointing|model_name_or_path is missing; give it",
                "--no-dataloader-pin-memory|model_name_or_path is missing; give it",
                "--no_bf16|model_name_or_path is missing; give it",
                "--no_disable_dropout|--disable_dropout false is not supported: dpo4j has no dropout; leave it out",
                "--no_beta|unknown option --no_beta of dpo",
                "--no_bf16=true|unknown option --no_bf16 of dpo"
            })
    void negations(String word, String message) {
        assertThat(Cli.run("dpo", word).err()).singleElement().asString().startsWith("dpo4j: error: " + message);
    }

    @Test
    void noFileOfArgumentsIsRead() {
        String file = Cli.write(directory.resolve("arguments"), "--help").toString();
        assertError(Cli.run("dpo", "@" + file), "unknown word @" + file + " of dpo");
    }

    @Test
    void promptsMayStandInAFile() {
        Path file = Cli.write(
                directory.resolve("generate.yaml"), "model_name_or_path: none\nprompt: ${HOME}\ndevice: cpu\n");
        assertThat(Cli.run("generate", "--config", file.toString()).err())
                .singleElement()
                .asString()
                .contains("none is not a directory");
        assertError(
                Cli.run("generate", "--config", file.toString(), "--prompts", "rows"),
                file + " line 2: prompt and prompts are both given; leave one out");
        assertError(
                Cli.run("generate", "--model_name_or_path", "m"), "prompt is missing; give it, or a file of prompts");
    }

    @Test
    void helpNamesDefaultsAndValues() {
        assertThat(String.join(" ", Cli.run("dpo", "--help").out()).replaceAll(" +", " "))
                .contains("linear, cosine, constant, constant_with_warmup; default linear")
                .contains("Rows per micro-batch; default 8.")
                .contains("conservative DPO (cDPO); TRL 1.16 ignores it there")
                .doesNotContain("${");
    }

    @Test
    void valuesThatLookLikeOptionsAreValues() {
        Cli run = Cli.run("generate", "--model_name_or_path", MODEL, "--prompt", "--x=1", "--device", "cpu", "--json");
        assertThat(run.err()).singleElement().asString().doesNotContain("unknown option");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "dpo --lr 1|--lr of dpo; did you mean learning_rate?",
                "dpo --lr=1e-6|--lr of dpo; did you mean learning_rate?",
                "dpo --epochs 1|--epochs of dpo; did you mean num_train_epochs?",
                "dpo --batch_size 1|--batch_size of dpo; did you mean per_device_train_batch_size?",
                "dpo --batch-size 1|--batch-size of dpo; did you mean per_device_train_batch_size?",
                "dpo --model m|--model of dpo; did you mean model_name_or_path?",
                "dpo --data d|--data of dpo; did you mean dataset_name?",
                "dpo --output o|--output of dpo; did you mean output_dir?",
                "dpo -o o|-o of dpo; did you mean output_dir?",
                "sft --max_seq_length 5|--max_seq_length of sft; did you mean max_length?",
                "sft --grad_accum 5|--grad_accum of sft; did you mean gradient_accumulation_steps?",
                "logps --model m --data d|--model of logps; did you mean model_name_or_path?",
                "logps --batch_size 5|--batch_size of logps; did you mean batch_tokens?",
                "logps --out x|--out of logps; did you mean output?",
                "generate --max_tokens 5|--max_tokens of generate; did you mean max_new_tokens?",
                "generate --n 5|--n of generate; did you mean num_return_sequences?",
                "quickstart --out x|--out of quickstart; did you mean output_dir?",
                "dpo --xyzzy|--xyzzy of dpo"
            })
    void namesThatPeopleUseSuggestTheOption(String words, String message) {
        assertError(Cli.run(words.split(" ")), "unknown option " + message);
    }

    /** Each of the table means an option that some command has. */
    @Test
    void synonymsMeanOptions() {
        List<String> known = new ArrayList<>();
        commands().forEach(command -> known.addAll(OptionNames.settable(command.getCommandSpec())));
        for (String[] row : TableFile.rows("synonyms.txt", 2)) {
            assertThat(known).contains(row[1].split(" "));
        }
    }

    private static Stream<CommandLine> commands() {
        return Stream.of(
                        new DpoCommand(),
                        new SftCommand(),
                        new LogpsCommand(),
                        new GenerateCommand(),
                        new QuickstartCommand())
                .map(CommandLine::new);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "--lr_scheduler_type polynomial|lr_scheduler_type is polynomial; it must be one of linear, cosine, constant,"
                        + " constant_with_warmup",
                "--lr_scheduler_type LINEAR|lr_scheduler_type is LINEAR; it must be one of linear, cosine, constant,"
                        + " constant_with_warmup",
                "--eval_strategy epoch|eval_strategy is epoch; it must be one of no, steps",
                "--dtype auto|dtype is auto; it must be one of float32, bfloat16",
                "--on_bad_row drop|on_bad_row is drop; it must be one of error, skip",
                "--bf16 maybe|bf16 is maybe; it must be true or false"
            })
    void valuesOfNamesAreListedOnce(String words, String message) {
        assertError(Cli.run(("dpo " + words).split(" ")), message);
    }

    static Stream<Arguments> numbers() {
        return commands()
                .flatMap(command -> command.getCommandSpec().options().stream()
                        .filter(OptionTypes::isNumeric)
                        .map(option -> Arguments.of(
                                command.getCommandName(), option.longestName().substring(2), isWhole(option))));
    }

    private static boolean isWhole(OptionSpec option) {
        Class<?> type = option.type();
        return type == int.class || type == Integer.class || type == long.class;
    }

    /** Whatever stands where a number belongs: one line names the option, and what it must be. */
    @ParameterizedTest(name = "{0} {1}")
    @MethodSource("numbers")
    void numbersOutOfRangeAreNamed(String command, String name, boolean isWhole) {
        List<String> bad = new ArrayList<>(List.of("many", "nan", "1e400", "-1e400", "0x10", "1f", "1,5"));
        if (isWhole) {
            bad.addAll(List.of("1.5", "1e3", "99999999999999999999", "-99999999999999999999"));
        }
        if (isWhole && !name.equals("seed")) {
            bad.addAll(List.of("2147483647", "-2147483648", "2147483648", "-5"));
        }
        if (name.equals("loss_weights")) {
            bad.remove("1,5");
        }
        for (String value : bad) {
            Cli run = Cli.run(arguments(command, "--" + name + "=" + value));
            assertThat(run.code()).as(value).isNotZero();
            assertThat(run.err()).as(value).singleElement().asString().satisfies(message -> {
                assertThat(message)
                        .contains(name)
                        .doesNotContain("should not happen")
                        .containsAnyOf("must be", "no loss of these reads it", "model has 64 positions");
            });
        }
    }

    private String[] arguments(String command, String more) {
        List<String> all = new ArrayList<>(List.of(command, "--device", "cpu"));
        if (!command.equals("quickstart")) {
            all.addAll(List.of("--model_name_or_path", MODEL));
        }
        switch (command) {
            case "generate" -> all.addAll(List.of("--prompt", "a", "--json"));
            case "logps" -> all.addAll(List.of("--dataset_name", rows()));
            default ->
                all.addAll(List.of("--output_dir", directory.resolve("out").toString()));
        }
        if (command.equals("dpo") || command.equals("sft")) {
            all.addAll(List.of("--dataset_name", rows(), "--loss_type", "sigmoid")
                    .subList(0, command.equals("dpo") ? 4 : 2));
        }
        all.add(more);
        return all.toArray(String[]::new);
    }

    /** The largest numbers that the ranges allow do not overflow: the run is the one of all three pairs a step. */
    @ParameterizedTest
    @ValueSource(strings = {"dpo", "sft"})
    void theLargestNumbersAreWithinCount(String command) {
        String rows = command.equals("dpo")
                ? rows()
                : Cli.write(directory.resolve("texts.jsonl"), "{\"ids\": [3, 4, 5, 6, 7, 2]}\n".repeat(3))
                        .toString();
        Cli run = Cli.run(
                command,
                "--device",
                "cpu",
                "--model_name_or_path",
                MODEL,
                "--dataset_name",
                rows,
                "--eval_dataset",
                rows,
                "--output_dir",
                directory.resolve("out").toString(),
                "--per_device_train_batch_size",
                "65_536",
                "--per_device_eval_batch_size",
                "65536",
                "--gradient_accumulation_steps",
                "1000000",
                "--logging_steps",
                "1000000000",
                "--eval_steps",
                "1000000000",
                "--num_train_epochs",
                "2",
                "--seed",
                "-9223372036854775808");
        assertThat(run.code()).as("%s", run.err()).isZero();
        assertThat(run.out()).anyMatch(line -> line.contains("2 of 65536000000 rows (65536 x 1000000)"));
        assertThat(Cli.read(directory.resolve("out/metrics.jsonl")).lines()).hasSize(2);
    }

    @Test
    void anErrorInTheFileNamesFileAndLine() {
        Path file = Cli.write(directory.resolve("dpo.yaml"), "seed: 1\nmax_steps: many\n");
        assertError(
                Cli.run("dpo", "--config", file.toString()),
                file + " line 2: max_steps is many; it must be a whole number from 1 to 1,000,000,000, or -1 for"
                        + " num_train_epochs");
        assertError(
                Cli.run("dpo", "--config", file.toString(), "--max_steps", "some"),
                "max_steps is some; it must be a whole number from 1 to 1,000,000,000, or -1 for num_train_epochs");
    }

    /** Which numbers a range holds is known once options are built, or the model is read. */
    @ParameterizedTest(name = "{0} {1}")
    @MethodSource("numbers")
    void anErrorOfARangeNamesFileAndLine(String command, String name, boolean isWhole) {
        if (name.equals("seed")) {
            return; // has no range
        }
        String value = isWhole ? "-5" : "nan";
        String[] words = arguments(command, "--" + name + "=" + value);
        String said = Cli.run(words).err().get(0).replace("dpo4j: error: ", "");
        Path file = Cli.write(directory.resolve("options.yaml"), "\n\n" + name + ": " + value + "\n");
        words[words.length - 1] = "--config=" + file;
        assertError(Cli.run(words), file + " line 3: " + said);
        assertError(run(words, "--" + name, value), said);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "label_smoothing: 0.7|--seed=1|label_smoothing is 0.7, must be at least 0 and below 0.5",
                "discopop_tau: 2|--seed=1|discopop_tau is 2, but no loss of these reads it: leave it out (0)",
                "use_weighting: true|--loss_type=aot|use_weighting is 1, but aot, aot_unpaired and sft are not sums over pairs"
                        + " that could be weighed: leave it out (0)",
                "loss_type: zz|--seed=1|loss_type zz is not supported",
                "device: gpu|--seed=1|device gpu is unknown",
                "truncation_mode: keep_end|--seed=1|truncation_mode keep_end is not supported",
                "max_length: 1000|--seed=1|max_length is 1000 but the model has 64 positions",
                "warmup_ratio: 0.1|--warmup_steps=3|warmup_steps and warmup_ratio are both given",
                "adam_moments_dtype: bfloat16|--seed=1|adam_moments_dtype is bfloat16 but bf16_stochastic_round is false"
            })
    void anErrorOfSeveralOptionsNamesFileAndLine(String line, String word, String message) {
        Path file = Cli.write(directory.resolve("dpo.yaml"), "weight_decay: 0\n" + line + "\n");
        List<String> words = new ArrayList<>(Arrays.asList(arguments("dpo", "--config=" + file)));
        words.add(word);
        if (line.startsWith("device")) {
            words.removeAll(List.of("--device", "cpu"));
        }
        if (word.startsWith("--loss_type") || line.startsWith("loss_type")) {
            words.removeAll(List.of("--loss_type", "sigmoid"));
        }
        assertThat(Cli.run(words.toArray(String[]::new)).err())
                .singleElement()
                .asString()
                .startsWith("dpo4j: error: " + file + " line 2: " + message);
    }

    /** A message that is not about an option keeps its words, whatever options it names. */
    @Test
    void errorsOfRowsNameNoOption() {
        String rows = Cli.write(directory.resolve("bad.jsonl"), "{\"prompt_ids\": [3], \"chosen_ids\": []}\n")
                .toString();
        Path file = Cli.write(directory.resolve("dpo.yaml"), "max_length: 5\n");
        assertThat(Cli.run("logps", "--model_name_or_path", MODEL, "--dataset_name", rows, "--config", file.toString())
                        .err())
                .last()
                .asString()
                .startsWith("dpo4j: error: " + rows + " line 1: ");
    }

    @Test
    void conservativeDpoIsNamed() {
        String said = "cDPO; TRL 1.16 ignores label_smoothing there";
        String[] words = arguments("dpo", "--max_steps=1");
        assertThat(run(words, "--label_smoothing", "0.1").out()).anyMatch(line -> line.contains(said));
        assertThat(run(words, "--overwrite_output_dir").out()).noneMatch(line -> line.contains(said));
    }
}
