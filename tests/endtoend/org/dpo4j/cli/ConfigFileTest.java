package org.dpo4j.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import picocli.CommandLine;
import picocli.CommandLine.Model.CommandSpec;

/** Config files are YAML 1.1 as PyYAML reads it; what cannot be meant is refused with its line. */
class ConfigFileTest {
    @TempDir
    Path directory;

    private final CommandSpec dpo = new CommandLine(new DpoCommand()).getCommandSpec();

    private Path file() {
        return directory.resolve("dpo.yaml");
    }

    private ConfigFile read(String yaml) {
        return ConfigFile.read(Cli.write(file(), yaml), dpo);
    }

    /** The text that stands for an option; null where its default holds. */
    private @Nullable String text(String yaml, String option) {
        return read(yaml).defaultValue(dpo.findOption("--" + option));
    }

    private void assertRefused(String yaml, String message) {
        assertThatThrownBy(() -> read(yaml))
                .isInstanceOf(Dpo4jException.class)
                .hasMessage(message.replace("FILE", file().toString()));
    }

    /** Documents and options as PyYAML 6 and TRL's parser of options read them (tests/golden/trl_options.py). */
    static Stream<Arguments> documents() {
        JsonNode golden = Cli.parse(Cli.read(Cli.repository("tests/golden/trl_options.json")));
        return StreamSupport.stream(golden.get("documents").spliterator(), false)
                .map(document -> Arguments.of(document.get("yaml").textValue(), document.get("options")));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("documents")
    void readsAsPyYaml(String yaml, JsonNode options) {
        assertThat(options).isNotEmpty();
        for (Map.Entry<String, JsonNode> option : options.properties()) {
            String text = text(yaml, option.getKey());
            JsonNode expected = option.getValue();
            if (expected.isNull()) {
                assertThat(text).isNull();
            } else if (option.getKey().equals("bf16")) {
                assertThat(text).isEqualTo(Boolean.toString(expected.asBoolean()));
            } else {
                assertThat(Double.parseDouble(String.valueOf(text))).isEqualTo(expected.doubleValue());
            }
        }
    }

    /** What YAML 1.1 calls a number, a date, a boolean or null in quotes is text where the option is text or a path. */
    @ParameterizedTest
    @ValueSource(
            strings = {
                "2024_01",
                "1e3",
                "007",
                "on",
                "no",
                "2024-01-01",
                "0x10",
                "1:30",
                "1.50",
                "${HOME}",
                "a$$b",
                "a%sb",
                "run#1",
                "@file",
                "ünï",
                "a b",
                "=",
                ".inf"
            })
    void textKeepsWhatWasWritten(String text) {
        for (String option : new String[] {"output_dir", "model_name_or_path", "truncation_mode", "loss_type"}) {
            String plain = text.startsWith("@") ? "'" + text + "'" : text;
            assertThat(text(option + ": " + plain, option)).isEqualTo(text);
            assertThat(text(option + ": \"" + text + "\"", option)).isEqualTo(text);
        }
        assertThat(text("output_dir: 'null'", "output_dir")).isEqualTo("null");
        assertThat(text("output_dir: \"a\\tb\"", "output_dir")).isEqualTo("a\tb");
        assertThat(text("output_dir: \"a\\/b\"", "output_dir")).isEqualTo("a/b");
    }

    /** PyYAML takes them for text, and Python's float for no number: they are not read as another number is written. */
    @ParameterizedTest
    @ValueSource(strings = {"1_e5", "1_0.0e5", "1_e+5", "1.5_e5"})
    void whatPyYamlTakesForTextIsNoNumber(String text) {
        assertThat(text("learning_rate: " + text, "learning_rate")).isEqualTo(text);
    }

    @Test
    void listsAreValuesOfOptionsThatTakeSeveral() {
        assertThat(text("loss_type: [sigmoid, sft]", "loss_type")).isEqualTo("sigmoid,sft");
        assertThat(text("loss_weights:\n- 1\n- 0x2\n- 1e-1", "loss_weights")).isEqualTo("1,2,1e-1");
        assertThat(text("report_to: &x [none]\nloss_type: *x", "loss_type")).isEqualTo("none");
    }

    @Test
    void anAliasMayStandForAnyValue() {
        assertThat(text("dataset_name: &d rows.jsonl\neval_dataset: *d", "eval_dataset"))
                .isEqualTo("rows.jsonl");
    }

    static Stream<Arguments> refused() {
        return Stream.of(
                Arguments.of("", "config FILE is empty; write one option: value a line"),
                Arguments.of("# nothing\n", "config FILE is empty; write one option: value a line"),
                Arguments.of("- a\n- b", "config FILE is not a mapping of options; write one option: value a line"),
                Arguments.of("text", "config FILE is not a mapping of options; write one option: value a line"),
                Arguments.of("seed: 1\n---\nseed: 2", "config FILE holds a second document after ---; write one"),
                Arguments.of("seed: 1\n---\n", "config FILE holds a second document after ---; write one"),
                Arguments.of(
                        "beta: 1\n<<<<<<< HEAD\nseed: 1\n=======\nseed: 2\n>>>>>>> main\n",
                        "config FILE is a file with git's merge conflict markers; keep one version of each conflict,"
                                + " without the lines of <, = and >"),
                Arguments.of(
                        "seed: &x 1\nbeta: &x 2\nmax_length: *x",
                        "config FILE line 2 has the anchor &x again; give each a name of its own"),
                Arguments.of(
                        "!!set {seed, beta}",
                        "FILE line 1: the whole file has the tag tag:yaml.org,2002:set, which is not read; leave the tag"
                                + " out"),
                Arguments.of(
                        "--- !mine\nseed: 1",
                        "FILE line 1: the whole file has the tag !mine, which is not read; leave the tag out"),
                Arguments.of("seed: 1\nbeta: 1\nseed: 2", "FILE line 3: gives seed twice; leave one out"),
                Arguments.of("max_length: 5\nmax-length: 6", "FILE line 2: gives max_length twice; leave one out"),
                Arguments.of(
                        "<<: [{seed: 1}, {seed: 2}]", "FILE line 1: two merged mappings (<<) give seed; leave one out"),
                Arguments.of("seed: 1\n<<: 5", "FILE line 2: merges (<<) a value that is not a mapping"),
                Arguments.of("&a\n<<: *a\nseed: 1", "FILE line 1: merges (<<) a mapping into itself"),
                Arguments.of("on: 1", "FILE line 1: has on where the name of an option belongs"),
                Arguments.of("5: 1", "FILE line 1: has 5 where the name of an option belongs"),
                Arguments.of("? [a]\n: 1", "FILE line 1: has a list or mapping where the name of an option belongs"),
                Arguments.of("~: 1", "FILE line 1: has ~ where the name of an option belongs"),
                Arguments.of("seed: {a: 1}", "FILE line 1: seed is a mapping; give one value"),
                Arguments.of("beta: [0.1, 0.2]", "FILE line 1: beta is a list; give one value"),
                Arguments.of("loss_type: []", "FILE line 1: loss_type is an empty list; give a value, or leave it out"),
                Arguments.of("loss_type: [[a]]", "FILE line 1: loss_type holds a list; give one value"),
                Arguments.of("loss_type: [sft, ~]", "FILE line 1: loss_type holds null; give one value"),
                Arguments.of(
                        "output_dir: \"C:\\new\\dpo\"",
                        "config FILE line 1 is not valid YAML: a value in double quotes has a \\ that begins no escape;"
                                + " use single quotes"),
                Arguments.of(
                        "output_dir: \"D:\\xyz\"",
                        "config FILE line 1 is not valid YAML: a value in double quotes has a \\ that begins no escape;"
                                + " use single quotes"),
                Arguments.of(
                        "loss_type: - sft",
                        "config FILE line 1 is not valid YAML: a list begins after a name; begin it on a line of its"
                                + " own"),
                Arguments.of("\nbf16: maybe", "FILE line 2: bf16 is maybe; it must be true or false"),
                Arguments.of(
                        "seed: !!python/name:os.system x",
                        "config FILE line 1 is not valid YAML: a value has a tag (!!name); leave the tag out"),
                Arguments.of(
                        "beta: !mine 1", "FILE line 1: beta has the tag !mine, which is not read; leave the tag out"),
                Arguments.of(
                        "beta: 0.1\nmax_lenght: 5",
                        "FILE line 2: unknown option max_lenght of dpo; did you mean max_length?"),
                Arguments.of("lr: 5", "FILE line 1: unknown option lr of dpo; did you mean learning_rate?"),
                Arguments.of(
                        "use_peft: true",
                        "FILE line 1: use_peft true is not supported: adapters are not supported; all weights are trained"),
                Arguments.of(
                        "datasets: [{path: a}]",
                        "FILE line 1: datasets [...] is not supported: dataset_name is one file; join the files"),
                Arguments.of(
                        "debug: true", "FILE line 1: debug true is not supported: give --debug on the command line"),
                Arguments.of(
                        "seed: 1\n\tbeta: 1",
                        "config FILE line 2 is not valid YAML: a tab stands where spaces belong; indent with spaces"),
                Arguments.of(
                        "seed:\n\t1",
                        "config FILE line 2 is not valid YAML: a tab stands where spaces belong; indent with spaces"),
                Arguments.of(
                        "beta: 0.1\nseed: [1\nbeta: 2",
                        "config FILE line 3 is not valid YAML: a list has no closing ]"),
                Arguments.of(
                        "seed: *d",
                        "config FILE line 1 is not valid YAML: an alias (*name) stands before its anchor (&name),"
                                + " or has none"),
                Arguments.of(
                        "output_dir: a: b",
                        "config FILE line 1 is not valid YAML: there is a second ': ' in a line; quote the value"),
                Arguments.of(
                        "seed: 1\n  beta: 2",
                        "config FILE line 2 is not valid YAML: there is a second ': ' in a line; quote the value"),
                Arguments.of(
                        "seed: 1\nbeta",
                        "config FILE line 2 is not valid YAML: a line has no ': '; write option: value"),
                Arguments.of("seed: '1", "config FILE line 1 is not valid YAML: a quoted value has no closing quote"),
                Arguments.of(
                        "seed: 1\noutput_dir: a\0b",
                        "config FILE line 2 holds the control character U+0000; remove it"));
    }

    @ParameterizedTest(name = "{1}")
    @MethodSource("refused")
    void refusesWithTheLine(String yaml, String message) {
        assertRefused(yaml, message);
    }

    /** Lists of lists of aliases that would be 10^9 scalars written out, and a nesting deeper than a parser's stack. */
    @Test
    void refusesBombs() {
        StringBuilder lists = new StringBuilder("report_to: &a0 [x]\n");
        StringBuilder merges = new StringBuilder("report_to: &a0 {seed: 1}\n");
        for (int i = 1; i < 10; i++) {
            String aliases = ("*a" + (i - 1) + ",").repeat(10);
            lists.append("tools")
                    .append(i)
                    .append(": &a")
                    .append(i)
                    .append(" [")
                    .append(aliases)
                    .append("]\n");
            merges.append("tools")
                    .append(i)
                    .append(": &a")
                    .append(i)
                    .append(" {<<: [")
                    .append(aliases)
                    .append("]}\n");
        }
        String message = "config FILE nests or repeats lists and mappings too often for a file of options";
        assertRefused(lists.toString(), message);
        assertRefused(merges.toString(), message);
        assertRefused("seed: " + "[".repeat(100_000), message);
        assertRefused("#".repeat(2 << 20), "config FILE is larger than 1 MiB; give a file of options");
    }

    @Test
    void refusesWhatIsNoUtf8() throws IOException {
        Files.write(file(), "seed: 1\noutput_dir: caf\u00e9\n".getBytes(StandardCharsets.ISO_8859_1));
        assertThatThrownBy(() -> ConfigFile.read(file(), dpo))
                .hasMessage("config " + file() + " line 2 is not UTF-8; save the file as UTF-8");
        Files.write(file(), "seed: 1\n".getBytes(StandardCharsets.UTF_16));
        assertThatThrownBy(() -> ConfigFile.read(file(), dpo))
                .hasMessage("config " + file() + " line 1 is not UTF-8; save the file as UTF-8");
    }

    @Test
    void refusesWhatIsNoFile() {
        assertThatThrownBy(() -> ConfigFile.read(directory, dpo))
                .hasMessage(directory + " is a directory; give a file of options");
        Path none = directory.resolve("none.yaml");
        assertThatThrownBy(() -> ConfigFile.read(none, dpo))
                .hasMessage(none + " does not exist; give a file of options");
    }
}
