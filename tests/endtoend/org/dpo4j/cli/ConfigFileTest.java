package org.dpo4j.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.dpo4j.model.RefusalAssertions.assertRefusedWith;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Map;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.dpo4j.model.TestFiles;
import org.dpo4j.train.OptionMap;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import picocli.CommandLine;
import picocli.CommandLine.Model.CommandSpec;

/** Files of options are YAML 1.1 as PyYAML reads it. A line that cannot be meant is refused with its number. */
class ConfigFileTest {
    @TempDir
    Path directory;

    private final CommandSpec dpo = new CommandLine(new DpoCommand()).getCommandSpec();

    private Path file() {
        return directory.resolve("dpo.yaml");
    }

    /** The text that the file has for an option; null if it leaves the default. */
    private @Nullable String text(String yaml, String option) {
        return ConfigFile.read(TestFiles.write(file(), yaml), dpo).defaultValue(dpo.findOption("--" + option));
    }

    private void assertRefused(String yaml, String message) {
        assertFileRefused(TestFiles.write(file(), yaml), message);
    }

    private void assertFileRefused(Path file, String message) {
        assertRefusedWith(() -> ConfigFile.read(file, dpo), message.replace("FILE", file.toString()));
    }

    @Test
    void aMappingIsTheValueOfAnOptionThatTakesOne() {
        String kwargs = text(
                "lr_scheduler_kwargs:\n  min_lr: 1e-8\n  num_cycles: 0.5\n  decay_type: null\n", "lr_scheduler_kwargs");
        assertThat(OptionMap.parse(String.valueOf(kwargs)).values())
                .containsEntry("min_lr", "1e-8")
                .containsEntry("num_cycles", "0.5")
                .containsEntry("decay_type", null);
        assertThat(text("lr_scheduler_kwargs: '{\"power\": 2}'", "lr_scheduler_kwargs"))
                .isEqualTo("{\"power\": 2}");
        assertThat(text("lr_scheduler_kwargs: null", "lr_scheduler_kwargs")).isNull();
        assertRefused(
                "lr_scheduler_kwargs:\n  power: [1, 2]\n",
                "FILE line 2: lr_scheduler_kwargs.power is a list; give one value");
        assertRefused("learning_rate:\n  power: 2\n", "FILE line 1: learning_rate is a mapping; give one value");
    }

    /** Documents and options as PyYAML 6 and TRL's parser of options read them (tests/golden/trl_options.py). */
    static Stream<Arguments> documents() {
        JsonNode golden = TestFiles.json(TestFiles.golden("trl_options.json"));
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

    /** For an option that takes text or a path, a value that YAML 1.1 reads as number, date, boolean or null stays text. */
    @ParameterizedTest
    @ValueSource(
            strings = {
                "2024_01", "1e3", "007", "on", "no", "2024-01-01",
                "0x10", "1:30", "1.50", "${HOME}", "a$$b", "a%sb",
                "run#1", "@file", "ünï", "a b", "=", ".inf"
            })
    void textStaysAsWritten(String text) {
        for (String option : new String[] {"output_dir", "model_name_or_path", "truncation_mode", "loss_type"}) {
            String plain = text.startsWith("@") ? "'" + text + "'" : text;
            assertThat(text(option + ": " + plain, option)).isEqualTo(text);
            assertThat(text(option + ": \"" + text + "\"", option)).isEqualTo(text);
        }
        assertThat(text("output_dir: 'null'", "output_dir")).isEqualTo("null");
        assertThat(text("output_dir: \"a\\tb\"", "output_dir")).isEqualTo("a\tb");
        assertThat(text("output_dir: \"a\\/b\"", "output_dir")).isEqualTo("a/b");
    }

    /** PyYAML reads them as text, and Python's float refuses them, so they are not turned into numbers. */
    @ParameterizedTest
    @ValueSource(strings = {"1_e5", "1_0.0e5", "1_e+5", "1.5_e5"})
    void numbersThatPyYamlReadsAsTextStayText(String text) {
        assertThat(text("learning_rate: " + text, "learning_rate")).isEqualTo(text);
    }

    @Test
    void aListIsTheValueOfAnOptionThatTakesSeveral() {
        assertThat(text("loss_type: [sigmoid, sft]", "loss_type")).isEqualTo("sigmoid,sft");
        assertThat(text("loss_weights:\n- 1\n- 0x2\n- 1e-1", "loss_weights")).isEqualTo("1,2,1e-1");
        assertThat(text("report_to: &x [none]\nloss_type: *x", "loss_type")).isEqualTo("none");
    }

    @Test
    void dataSetsAreAListOfMappings() {
        assertThat(text(
                        "datasets:\n- path: a/b\n  columns: [x, y]\n  weight: 0.5\n- &c {path: c, name: ~}\n- <<: *c",
                        "datasets"))
                .isEqualTo("[{\"path\":\"a/b\",\"columns\":[\"x\",\"y\"],\"weight\":\"0.5\"},"
                        + "{\"path\":\"c\",\"name\":null},{\"path\":\"c\",\"name\":null}]");
    }

    @Test
    void anAliasMayReplaceAnyValue() {
        assertThat(text("dataset_name: &d rows.jsonl\neval_dataset: *d", "eval_dataset"))
                .isEqualTo("rows.jsonl");
    }

    /** A document, in which ↵ is a line end and → a tab, and the message for it, in which FILE is its path. */
    @ParameterizedTest(name = "{1}")
    @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
        `` | config FILE is empty; write one option: value a line
        `# nothing↵` | config FILE is empty; write one option: value a line
        - a↵- b | config FILE is not a mapping of options; write one option: value a line
        text | config FILE is not a mapping of options; write one option: value a line
        seed: 1↵---↵seed: 2 | config FILE holds a second document after ---; write one
        seed: 1↵---↵ | config FILE holds a second document after ---; write one
        beta: 1↵<<<<<<< HEAD↵seed: 1↵=======↵seed: 2↵>>>>>>> main↵ | config FILE is a file with git's merge conflict markers; keep one version of each conflict, without the lines of <, = and >
        seed: &x 1↵beta: &x 2↵max_length: *x | config FILE line 2 has the anchor &x again; give each a name of its own
        !!set {seed, beta} | FILE line 1: the whole file has the tag tag:yaml.org,2002:set, which is not read; leave the tag out
        --- !mine↵seed: 1 | FILE line 1: the whole file has the tag !mine, which is not read; leave the tag out
        seed: 1↵beta: 1↵seed: 2 | FILE line 3: gives seed twice; leave one out
        max_length: 5↵max-length: 6 | FILE line 2: gives max_length twice; leave one out
        <<: [{seed: 1}, {seed: 2}] | FILE line 1: two merged mappings (<<) give seed; leave one out
        seed: 1↵<<: 5 | FILE line 2: merges (<<) a value that is not a mapping
        &a↵<<: *a↵seed: 1 | FILE line 1: merges (<<) a mapping into itself
        on: 1 | FILE line 1: has on where the name of an option belongs
        5: 1 | FILE line 1: has 5 where the name of an option belongs
        ? [a]↵: 1 | FILE line 1: has a list or mapping where the name of an option belongs
        ~: 1 | FILE line 1: has ~ where the name of an option belongs
        seed: {a: 1} | FILE line 1: seed is a mapping; give one value
        beta: [0.1, 0.2] | FILE line 1: beta is a list; give one value
        loss_type: [] | FILE line 1: loss_type is an empty list; give a value, or leave it out
        loss_type: [[a]] | FILE line 1: loss_type holds a list; give one value
        loss_type: [sft, ~] | FILE line 1: loss_type holds null; give one value
        output_dir: "C:\\new\\dpo" | config FILE line 1 is not valid YAML: a value in double quotes has a \\ that begins no escape; use single quotes
        output_dir: "D:\\xyz" | config FILE line 1 is not valid YAML: a value in double quotes has a \\ that begins no escape; use single quotes
        loss_type: - sft | config FILE line 1 is not valid YAML: a list begins after a name; begin it on a line of its own
        ↵bf16: maybe | FILE line 2: bf16 is maybe; it must be true or false
        seed: !!python/name:os.system x | config FILE line 1 is not valid YAML: a value has a tag (!!name); leave the tag out
        beta: !mine 1 | FILE line 1: beta has the tag !mine, which is not read; leave the tag out
        beta: 0.1↵max_lenght: 5 | FILE line 2: unknown option max_lenght of dpo; did you mean max_length?
        lr: 5 | FILE line 1: unknown option lr of dpo; did you mean learning_rate?
        use_dora: true | FILE line 1: use_dora true is not supported: DoRA is not supported; leave it out to train LoRA
        debug: true | FILE line 1: debug true is not supported: give --debug on the command line
        seed: 1↵→beta: 1 | config FILE line 2 is not valid YAML: a tab stands where spaces belong; indent with spaces
        seed:↵→1 | config FILE line 2 is not valid YAML: a tab stands where spaces belong; indent with spaces
        beta: 0.1↵seed: [1↵beta: 2 | config FILE line 3 is not valid YAML: a list has no closing ]
        seed: *d | config FILE line 1 is not valid YAML: an alias (*name) stands before its anchor (&name), or has none
        output_dir: a: b | config FILE line 1 is not valid YAML: there is a second ': ' in a line; quote the value
        seed: 1↵  beta: 2 | config FILE line 2 is not valid YAML: there is a second ': ' in a line; quote the value
        seed: 1↵beta | config FILE line 2 is not valid YAML: a line has no ': '; write option: value
        seed: '1 | config FILE line 1 is not valid YAML: a quoted value has no closing quote
        """)
    void documentsThatCannotBeMeantAreRefusedWithTheirLine(String yaml, String message) {
        assertRefused(yaml.replace('↵', '\n').replace('→', '\t'), message);
    }

    /** Lists of lists of aliases that expand to 10^9 scalars, and a nesting deeper than a parser's stack. */
    @Test
    void documentsThatExpandWithoutLimitAreRefused() {
        StringBuilder lists = new StringBuilder("report_to: &a0 [x]\n");
        StringBuilder merges = new StringBuilder("report_to: &a0 {seed: 1}\n");
        for (int i = 1; i < 10; i++) {
            String aliases = ("*a" + (i - 1) + ",").repeat(10);
            lists.append("tools%d: &a%d [%s]\n".formatted(i, i, aliases));
            merges.append("tools%d: &a%d {<<: [%s]}\n".formatted(i, i, aliases));
        }
        String message = "config FILE nests or repeats lists and mappings too often for a file of options";
        assertRefused(lists.toString(), message);
        assertRefused(merges.toString(), message);
        assertRefused("seed: " + "[".repeat(100_000), message);
        assertRefused("#".repeat(2 << 20), "config FILE is larger than 1 MiB; give a file of options");
    }

    @Test
    void aControlCharacterIsRefused() {
        assertRefused("seed: 1\noutput_dir: a\0b", "config FILE line 2 holds the control character U+0000; remove it");
    }

    @Test
    void bytesThatAreNotUtf8AreRefused() {
        byte[] latin1 = "seed: 1\noutput_dir: caf\u00e9\n".getBytes(StandardCharsets.ISO_8859_1);
        assertFileRefused(TestFiles.write(file(), latin1), "config FILE line 2 is not UTF-8; save the file as UTF-8");
        byte[] utf16 = "seed: 1\n".getBytes(StandardCharsets.UTF_16);
        assertFileRefused(TestFiles.write(file(), utf16), "config FILE line 1 is not UTF-8; save the file as UTF-8");
    }

    @Test
    void aDirectoryOrAnAbsentFileIsRefused() {
        assertFileRefused(directory, "FILE is a directory; give a file of options");
        assertFileRefused(directory.resolve("none.yaml"), "FILE does not exist; give a file of options");
    }
}
