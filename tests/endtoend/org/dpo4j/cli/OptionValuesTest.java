package org.dpo4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.dpo4j.model.TestFiles;
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
    @TempDir
    Path directory;

    private Path file(String name, String content) {
        return TestFiles.write(directory.resolve(name), content);
    }

    private Path rows() {
        return file(
                "rows.jsonl",
                "{\"prompt_ids\": [3, 4], \"chosen_ids\": [5, 6, 7], \"rejected_ids\": [8, 9]}\n".repeat(3));
    }

    /** A run of {@code dpo} with this file of options. */
    private Cli dpoConfig(String yaml) {
        return Cli.run("dpo --config %s", file("dpo.yaml", yaml));
    }

    /** The same message for a value on the command line and, with file and line, for a file of options. */
    private void assertErrorOfFileToo(Cli cli, String yaml, String message) {
        cli.assertError(message);
        dpoConfig(yaml).assertError(directory.resolve("dpo.yaml") + " line 1: " + message);
    }

    @Test
    void aTildeIsTheHomeDirectory() {
        String variable = System.getenv("HOME");
        String home = variable == null || variable.isEmpty() ? System.getProperty("user.home") : variable;
        String absent = home + "/dpo4j-there-is-no-such-thing";
        String tilde = "~/dpo4j-there-is-no-such-thing";
        Cli.run("dpo --config=" + tilde).assertError(absent + " does not exist; give a file of options");
        Cli.run("dpo --config " + tilde).assertError(absent + " does not exist; give a file of options");
        Cli.run("logps --model_name_or_path=%s --dataset_name rows --device cpu", tilde)
                .assertThatError()
                .contains(absent + " does not exist");
        Path file = file("logps.yaml", "model_name_or_path: " + tilde + "\ndataset_name: ~\ndevice: cpu");
        Cli.run("logps --dataset_name=r --config %s", file).assertThatError().contains(absent + " does not exist");
        Cli.run("logps --model_name_or_path %s --dataset_name %s --device cpu", Cli.MODEL, tilde)
                .assertThatError()
                .contains(absent);
        assertThat(OptionTypes.path("~").toString()).isEqualTo(home);
        assertThat(OptionTypes.path("a/~").toString()).isEqualTo("a/~");
        Cli.run("dpo --output_dir ~somebody/run")
                .assertError("output_dir is ~somebody/run; it must be a path: only ~ and ~/ are expanded, so write out"
                        + " the home directory, or ./~ for a name");
    }

    @Test
    void anEmptyPathCountsAsMissing() {
        List<String> words = Cli.words("dpo --model_name_or_path %s --dataset_name %s --device cpu", Cli.MODEL, rows());
        String empty = "output_dir is missing: its value is empty; give one, or leave the option out";
        Cli.run(Cli.words(words, "--output_dir %s", "")).assertError(empty);
        Cli.run(Cli.words(words, "--output_dir=")).assertError(empty);
        Path file = file("dpo.yaml", "output_dir: ''\n");
        Cli.run(Cli.words(words, "--config %s", file)).assertError(file + " line 1: " + empty);
        file("dpo.yaml", "output_dir:\n");
        Cli.run(Cli.words(words, "--config %s", file)).assertError("output_dir is missing; give it");
        assertThat(directory.resolve("model.safetensors")).doesNotExist();
    }

    /** In a value nothing is expanded: no variable, no file of arguments, no quotes, no format. */
    @ParameterizedTest
    @ValueSource(
            strings = {"a$$b", "${HOME}", "${X:-y}", "@rows.jsonl", "%d%n", "\"q\"", "${DEFAULT-VALUE}", "#{x}", "\\$"})
    void valuesAreLiteral(String name) {
        for (boolean isInFile : new boolean[] {false, true}) {
            Path output = directory.resolve("out" + isInFile).resolve(name);
            String option = isInFile ? "output_dir: '" + output + "'\n" : "overwrite_output_dir: false\n";
            Path file = file("dpo.yaml", "max_steps: 1\n" + option);
            List<String> words = Cli.words(
                    "dpo --config %s --model_name_or_path %s --dataset_name %s --device cpu", file, Cli.MODEL, rows());
            Cli.run(isInFile ? words : Cli.words(words, "--output_dir %s", output))
                    .assertSucceeded();
            assertThat(output.resolve("model.safetensors")).exists();
        }
    }

    /** An empty value, or an empty element of a list, is not treated as an option that is left out. */
    @ParameterizedTest
    @ValueSource(
            strings = {"device", "truncation_mode", "loss_type", "f_divergence_type", "bf16", "beta", "loss_weights"})
    void emptyValuesAreRefused(String option) {
        String missing = option + " is missing: its value is empty; give one, or leave the option out";
        Cli.run("dpo --%s %s", option, "").assertError(missing);
        assertErrorOfFileToo(Cli.run("dpo --%s=", option), option + ": ''\n", missing);
    }

    @ParameterizedTest
    @ValueSource(strings = {"sigmoid,", ",sigmoid", "sigmoid,,sft", "sigmoid, "})
    void emptyElementsAreRefused(String losses) {
        String message = "loss_type is " + losses + ", which has an empty element; leave that out";
        assertErrorOfFileToo(Cli.run("dpo --loss_type %s", losses), "loss_type: '" + losses + "'\n", message);
        dpoConfig("loss_type: [sigmoid, '']\n")
                .assertError(directory.resolve("dpo.yaml")
                        + " line 1: loss_type is missing: its value is empty; give one, or leave the option out");
    }

    /** argparse silently uses the last of two values or lists, which is probably not intended. */
    @ParameterizedTest
    @CsvSource({"beta,0.1,0.2", "loss_type,sigmoid,sft", "bf16,true,true", "output_dir,a,b"})
    void anOptionGivenTwiceIsRefused(String option, String first, String second) {
        Cli.run("dpo --%s %s --%s=%s", option, first, option.replace('_', '-'), second)
                .assertError(option + " is given twice; leave one out");
    }

    /** Named evaluation sets may be given one by one; the error shows that both are read as one value. */
    @Test
    void evaluationSetsMayBeGivenOneByOne() {
        Cli.run("dpo --eval_dataset a=x --eval_dataset a=y")
                .assertError("eval_dataset is a=x,a=y; it must be a path, or name=path,... (the set a is given twice)");
        Cli.run("dpo --eval_dataset x --eval-dataset=b=y")
                .assertError(
                        "eval_dataset is given twice; name the sets: --eval_dataset NAME=PATH --eval_dataset NAME2=PATH2");
    }

    @Test
    void anOptionWithoutAValueIsRefused() {
        Cli.run("dpo --beta").assertError("beta has no value; give one");
        Cli.run("dpo --loss_type --beta 1").assertError("loss_type has no value; give one");
        Cli.run("dpo --help=5").assertError("help is 5; it must be true or false");
        dpoConfig("loss_type: --beta\n")
                .assertError(directory.resolve("dpo.yaml")
                        + " line 1: loss_type has a value that looks like an option; give another");
    }

    /** 1e40 is beyond float32, whose largest number is 3.4028235e38, and 1e-46 rounds to 0: its smallest is 1.4e-45. */
    @ParameterizedTest
    @ValueSource(strings = {"1e40", "-1e40", "3.5e38", "1e-46"})
    void numbersBeyondFloat32AreRefused(String number) {
        String range = "; it must be a number that float32 holds: 0, or from 1.4e-45 to 3.4e38 in size";
        Cli.run("dpo --discopop_tau=" + number).assertError("discopop_tau is " + number + range);
        Cli.run("dpo --loss_weights=" + number).assertError("loss_weights is " + number + range);
    }

    /** HfArgumentParser makes {@code --no_NAME} of every option that is true by default. */
    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
        --no_remove_unused_columns | model_name_or_path is missing; give it
        --no_gradient_checkpointing | model_name_or_path is missing; give it
        --no-dataloader-pin-memory | model_name_or_path is missing; give it
        --no_bf16 | model_name_or_path is missing; give it
        --no_disable_dropout | --disable_dropout false is not supported: dpo4j has no dropout; leave it out
        --no_beta | unknown option --no_beta of dpo
        --no_bf16=true | unknown option --no_bf16 of dpo
        """)
    void negatedOptionsAreReadAsByHfArgumentParser(String word, String message) {
        Cli.run("dpo " + word).assertThatError().startsWith("dpo4j: error: " + message);
    }

    @Test
    void noFileOfArgumentsIsRead() {
        Path file = file("arguments", "--help");
        Cli.run("dpo @%s", file).assertError("unknown word @" + file + " of dpo");
    }

    @Test
    void aPromptMayBeInTheFileOfOptions() {
        Path file = file("generate.yaml", "model_name_or_path: none\nprompt: ${HOME}\ndevice: cpu\n");
        Cli.run("generate --config %s", file).assertThatError().contains("none is not a directory");
        Cli.run("generate --config %s --prompts rows", file)
                .assertError(file + " line 2: prompt and prompts are both given; leave one out");
        Cli.run("generate --model_name_or_path m").assertError("prompt is missing; give it, or a file of prompts");
    }

    @Test
    void helpNamesDefaultsAndValues() {
        assertThat(String.join(" ", Cli.run("dpo --help").out()).replaceAll(" +", " "))
                .contains(
                        "cosine_warmup_with_min_lr, warmup_stable_decay, reduce_lr_on_plateau, greedy; default linear")
                .contains("Rows per micro-batch; default 8.")
                .contains("conservative DPO (cDPO); TRL 1.16 ignores it there")
                .doesNotContain("${");
    }

    @Test
    void aPromptMayLookLikeAnOption() {
        Cli.run("generate --model_name_or_path %s --prompt --x=1 --device cpu --json", Cli.MODEL)
                .assertThatError()
                .doesNotContain("unknown option");
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
        dpo --lr 1 | --lr of dpo; did you mean learning_rate?
        dpo --lr=1e-6 | --lr of dpo; did you mean learning_rate?
        dpo --epochs 1 | --epochs of dpo; did you mean num_train_epochs?
        dpo --batch_size 1 | --batch_size of dpo; did you mean per_device_train_batch_size?
        dpo --batch-size 1 | --batch-size of dpo; did you mean per_device_train_batch_size?
        dpo --model m | --model of dpo; did you mean model_name_or_path?
        dpo --data d | --data of dpo; did you mean dataset_name?
        dpo --output o | --output of dpo; did you mean output_dir?
        dpo -o o | -o of dpo; did you mean output_dir?
        sft --max_seq_length 5 | --max_seq_length of sft; did you mean max_length?
        sft --grad_accum 5 | --grad_accum of sft; did you mean gradient_accumulation_steps?
        logps --model m --data d | --model of logps; did you mean model_name_or_path?
        logps --batch_size 5 | --batch_size of logps; did you mean batch_tokens?
        logps --out x | --out of logps; did you mean output?
        generate --max_tokens 5 | --max_tokens of generate; did you mean max_new_tokens?
        generate --n 5 | --n of generate; did you mean num_return_sequences?
        quickstart --out x | --out of quickstart; did you mean output_dir?
        """)
    void commonSynonymsSuggestTheOption(String words, String message) {
        Cli.run(words).assertError("unknown option " + message);
    }

    @Test
    void everySynonymNamesAnOptionOfSomeCommand() {
        List<String> known = new ArrayList<>();
        commands().forEach(command -> known.addAll(OptionNames.settable(command.getCommandSpec())));
        for (String[] row : TableFile.rows("synonyms.txt", 2)) {
            assertThat(known).contains(row[1].split(" "));
        }
    }

    private static Stream<CommandLine> commands() {
        return Stream.of(
                        new DpoCommand(),
                        new KtoCommand(),
                        new SftCommand(),
                        new LogpsCommand(),
                        new GenerateCommand(),
                        new QuickstartCommand())
                .map(CommandLine::new);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
        lr_scheduler_type | greedier | one of linear, cosine, cosine_with_restarts, polynomial, constant, constant_with_warmup, inverse_sqrt, cosine_with_min_lr, cosine_warmup_with_min_lr, warmup_stable_decay, reduce_lr_on_plateau, greedy
        lr_scheduler_type | LINEAR | one of linear, cosine, cosine_with_restarts, polynomial, constant, constant_with_warmup, inverse_sqrt, cosine_with_min_lr, cosine_warmup_with_min_lr, warmup_stable_decay, reduce_lr_on_plateau, greedy
        eval_strategy | never | one of no, steps, epoch
        dtype | auto | one of float32, bfloat16
        dtype | float16 | one of float32, bfloat16
        on_bad_row | drop | one of error, skip
        truncation_mode | middle | one of keep_start, keep_end, proportional, drop, raise
        bf16 | maybe | true or false
        """)
    void anUnknownNameIsRefusedWithAllThatAreKnown(String option, String value, String known) {
        Cli.run("dpo --%s %s", option, value).assertError(option + " is " + value + "; it must be " + known);
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

    /** One line names the option and what its value must be. */
    @ParameterizedTest(name = "{0} {1}")
    @MethodSource("numbers")
    void valuesThatAreNoNumbersOrOutOfRangeAreRefused(String command, String name, boolean isWhole) {
        List<String> bad = new ArrayList<>(List.of("many", "nan", "1e400", "-1e400", "0x10", "1f", "1,5"));
        if (isWhole) {
            bad.addAll(List.of("1.5", "1e3", "99999999999999999999", "-99999999999999999999"));
        }
        if (isWhole && !name.equals("seed")) {
            bad.addAll(List.of("2147483647", "-2147483648", "2147483648", "-5"));
        }
        if (name.equals("loss_weights") || name.equals("stop_token_ids")) {
            bad.remove("1,5");
        }
        for (String value : bad) {
            Cli run = Cli.run(words(command, "--%s=%s", name, value));
            assertThat(run.code()).as(value).isNotZero();
            run.assertThatError()
                    .as(value)
                    .contains(name)
                    .doesNotContain("should not happen")
                    .containsAnyOf("must be", "no loss of these reads it", "model has 64 positions");
        }
    }

    /** A command with all options that it needs, and more. */
    private List<String> words(String command, String more, Object... values) {
        List<String> words = Cli.words(command + " --device cpu");
        if (!command.equals("quickstart")) {
            words.addAll(Cli.words("--model_name_or_path %s", Cli.MODEL));
        }
        switch (command) {
            case "generate" -> words.addAll(Cli.words("--prompt a --json"));
            case "logps" -> words.addAll(Cli.words("--dataset_name %s", rows()));
            default -> words.addAll(Cli.words("--output_dir %s", directory.resolve("out")));
        }
        if (command.equals("dpo") || command.equals("sft")) {
            words.addAll(Cli.words("--dataset_name %s", rows()));
        }
        if (command.equals("dpo")) {
            words.addAll(Cli.words("--loss_type sigmoid"));
        }
        return Cli.words(words, more, values);
    }

    /** The largest numbers that the ranges allow do not overflow: each step reads all three pairs. */
    @ParameterizedTest
    @ValueSource(strings = {"dpo", "sft"})
    void theLargestNumbersDoNotOverflow(String command) {
        Path rows = command.equals("dpo") ? rows() : file("texts.jsonl", "{\"ids\": [3, 4, 5, 6, 7, 2]}\n".repeat(3));
        Cli run = Cli.run(
                        command + " --device cpu --model_name_or_path %s --dataset_name %s --eval_dataset %s"
                                + " --output_dir %s --per_device_train_batch_size 65_536"
                                + " --per_device_eval_batch_size 65536 --gradient_accumulation_steps 1000000"
                                + " --logging_steps 1000000000 --eval_steps 1000000000 --num_train_epochs 2"
                                + " --seed -9223372036854775808",
                        Cli.MODEL,
                        rows,
                        rows,
                        directory.resolve("out"))
                .assertSucceeded();
        assertThat(run.out()).anyMatch(line -> line.contains("2 of 65,536,000,000 rows (65,536 x 1,000,000)"));
        assertThat(TestFiles.read(directory.resolve("out/metrics.jsonl")).lines())
                .hasSize(2);
    }

    @Test
    void anErrorInTheFileNamesFileAndLine() {
        Path file = file("dpo.yaml", "seed: 1\nmax_steps: many\n");
        String range = "; it must be a whole number from 1 to 1,000,000,000, or -1 for num_train_epochs";
        Cli.run("dpo --config %s", file).assertError(file + " line 2: max_steps is many" + range);
        Cli.run("dpo --config %s --max_steps some", file).assertError("max_steps is some" + range);
    }

    /** Ranges are checked when options are built or the model is read, long after the file was read. */
    @ParameterizedTest(name = "{0} {1}")
    @MethodSource("numbers")
    void anErrorOfARangeNamesFileAndLine(String command, String name, boolean isWhole) {
        if (name.equals("seed")) {
            return; // has no range
        }
        String value = isWhole ? "-5" : "nan";
        String message =
                Cli.run(words(command, "--%s=%s", name, value)).err().get(0).replace("dpo4j: error: ", "");
        Path file = file("options.yaml", "\n\n" + name + ": " + value + "\n");
        Cli.run(words(command, "--config=%s", file)).assertError(file + " line 3: " + message);
        Cli.run(words(command, "--config=%s --%s %s", file, name, value)).assertError(message);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
        label_smoothing: 0.7 | --seed=1 | label_smoothing is 0.7, must be at least 0 and below 0.5
        discopop_tau: 2 | --seed=1 | discopop_tau is 2, but no loss of these reads it: leave it out (0)
        use_weighting: true | --loss_type=aot | use_weighting is 1, but aot, aot_unpaired and sft are not sums over pairs\
         that could be weighed: leave it out (0)
        loss_type: zz | --seed=1 | loss_type zz is not supported
        device: gpu | --seed=1 | device gpu is unknown
        truncation_mode: drop | --keep_eos=true | keep_eos is true but truncation_mode is drop, which cuts no row
        max_length: 1000 | --seed=1 | max_length is 1000 but the model has 64 positions
        warmup_ratio: 0.1 | --warmup_steps=3 | warmup_steps and warmup_ratio are both given
        adam_moments_dtype: bfloat16 | --seed=1 | adam_moments_dtype is bfloat16 but bf16_stochastic_round is false
        """)
    void anErrorOfSeveralOptionsNamesFileAndLine(String line, String word, String message) {
        Path file = file("dpo.yaml", "weight_decay: 0\n" + line + "\n");
        List<String> words = words("dpo", "--config=%s %s", file, word);
        if (line.startsWith("device")) {
            words.removeAll(List.of("--device", "cpu"));
        }
        if (word.startsWith("--loss_type") || line.startsWith("loss_type")) {
            words.removeAll(List.of("--loss_type", "sigmoid"));
        }
        Cli.run(words).assertThatError().startsWith("dpo4j: error: " + file + " line 2: " + message);
    }

    /** An error of a row keeps its place, whatever options its message names. */
    @Test
    void anErrorOfARowNamesTheRowAndNoOption() {
        Path rows = file("bad.jsonl", "{\"prompt_ids\": [3], \"chosen_ids\": []}\n");
        Path file = file("dpo.yaml", "max_length: 5\n");
        Cli run = Cli.run("logps --model_name_or_path %s --dataset_name %s --config %s", Cli.MODEL, rows, file);
        assertThat(run.err()).last().asString().startsWith("dpo4j: error: " + rows + " line 1: ");
    }

    @Test
    void theHeaderNamesConservativeDpo() {
        String note = "cDPO; TRL 1.16 ignores label_smoothing there";
        assertThat(Cli.run(words("dpo", "--max_steps=1 --label_smoothing 0.1")).out())
                .anyMatch(line -> line.contains(note));
        assertThat(Cli.run(words("dpo", "--max_steps=1 --overwrite_output_dir")).out())
                .noneMatch(line -> line.contains(note));
    }
}
