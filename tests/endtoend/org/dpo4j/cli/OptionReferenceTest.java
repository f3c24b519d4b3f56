package org.dpo4j.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.fail;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.dpo4j.model.TestFiles;
import org.dpo4j.model.TestJvm;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The option reference: OPTIONS.md, a page for each command, the JSON Schemas of YAML files, and the script for shell completion. */
class OptionReferenceTest {
    @TempDir
    static Path directory;

    private static String options = "";
    private static JsonNode dpo = TestFiles.json("{}");

    @BeforeAll
    static void write() throws IOException {
        Cli.run("options --output_dir %s", directory).assertSucceeded();
        options = Files.readString(directory.resolve("docs/options/dpo.md"));
        dpo = TestFiles.json(directory.resolve("schema/dpo.json"));
    }

    /** The files in the repository are those that the program writes now. */
    @Test
    void committedFilesAreCurrent() throws IOException {
        Map<String, String> written = files(directory);
        Map<String, String> committed = files(TestFiles.repository(""));
        String remedy =
                "run ./dpo4j options in the root of the repository, and commit OPTIONS.md, docs/options and schema";
        assertThat(committed.keySet()).as(remedy).isEqualTo(written.keySet());
        written.forEach((name, content) -> {
            if (!content.equals(committed.get(name))) {
                fail(name + " is stale: " + remedy);
            }
        });
    }

    private static Map<String, String> files(Path root) throws IOException {
        Map<String, String> files = new TreeMap<>();
        files.put("OPTIONS.md", Files.readString(root.resolve("OPTIONS.md")));
        for (String folder : List.of("docs/options", "schema")) {
            try (Stream<Path> list = Files.list(root.resolve(folder))) {
                for (Path file : (Iterable<Path>) list::iterator) {
                    files.put(folder + "/" + file.getFileName(), Files.readString(file));
                }
            }
        }
        return files;
    }

    private static JsonNode property(String name) {
        return dpo.get("properties").get(name);
    }

    @Test
    void rowsHaveValuesDefaultsAndDescriptions() {
        assertThat(options.lines())
                .contains("| `beta` | from 1e-30 to 1e6 | `0.1` | Strength of the pull towards the reference model;"
                        + " default 0.1. |")
                .contains("| `seed` | a whole number from -2^63 to 2^63 - 1 | `42` | Seed of all random choices;"
                        + " default 42. |")
                .anyMatch(line -> line.startsWith("| `loss_type` | list: one of sigmoid, hinge, ipo"))
                .anyMatch(line -> line.startsWith("| `lr_scheduler_type` | one of linear, cosine, "));
        assertThat(options).doesNotContain("${", "null |");
    }

    /** The table of a command has the options of the command's schema, each once. */
    @Test
    void everyOptionOfACommandIsListedOnce() throws IOException {
        try (Stream<Path> schemas = Files.list(directory.resolve("schema"))) {
            for (Path schema : (Iterable<Path>) schemas::iterator) {
                String command = schema.getFileName().toString().replace(".json", "");
                String page = Files.readString(directory.resolve("docs/options/" + command + ".md"));
                List<String> names = Pattern.compile("^\\| `([^`]*)`", Pattern.MULTILINE)
                        .matcher(page)
                        .results()
                        .map(row -> row.group(1))
                        .toList();
                List<String> expected = new ArrayList<>();
                TestFiles.json(schema).get("properties").fieldNames().forEachRemaining(expected::add);
                assertThat(names).as(command).containsExactlyInAnyOrderElementsOf(expected);
            }
        }
        assertThat(options).contains("| `output_dir` | a path | **required** |");
    }

    /** The index leads to the page of each command, and there are no other pages. */
    @Test
    void theIndexListsThePages() throws IOException {
        List<String> links = Pattern.compile("\\]\\((docs/options/[^)]*)\\)")
                .matcher(Files.readString(directory.resolve("OPTIONS.md")))
                .results()
                .map(link -> link.group(1))
                .toList();
        assertThat(links).contains("docs/options/dpo.md", "docs/options/kto.md", "docs/options/doctor.md");
        try (Stream<Path> pages = Files.list(directory.resolve("docs/options"))) {
            assertThat(pages.map(page -> "docs/options/" + page.getFileName()))
                    .containsExactlyInAnyOrderElementsOf(links);
        }
    }

    /** Each property has the type that Java gives it, and the range that the program checks. */
    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
        learning_rate | /type | ["number","string","null"]
        learning_rate | /default | 1.0E-6
        max_length | /type | ["integer","string","null"]
        max_length | /minimum | 2
        adam_beta1 | /minimum | 0
        adam_beta1 | /exclusiveMaximum | 1
        save_steps | /exclusiveMinimum | 0
        use_weighting | /type | ["boolean","null"]
        dtype | /enum | ["float32","bfloat16",null]
        lr_scheduler_kwargs | /type | ["object","string","null"]
        loss_type | /anyOf/0/enum/0 | "sigmoid"
        loss_type | /anyOf/1/items/enum/1 | "hinge"
        """)
    void propertiesHaveTypesAndRanges(String option, String pointer, String expected) {
        assertThat(property(option).at(pointer)).hasToString(expected);
    }

    /** Every option that a YAML file may give is in the schema: those of TRL that are refused, too. */
    @Test
    void theSchemaHasEveryOptionOfTrl() {
        JsonNode golden = TestFiles.json(TestFiles.golden("trl_options.json"));
        List<Pattern> patterns = new ArrayList<>();
        dpo.get("patternProperties").fieldNames().forEachRemaining(name -> patterns.add(Pattern.compile(name)));
        for (String table : List.of("DPOConfig", "ModelConfig", "ScriptArguments")) {
            golden.get(table)
                    .fieldNames()
                    .forEachRemaining(name -> assertThat(property(name) != null
                                    || patterns.stream()
                                            .anyMatch(pattern ->
                                                    pattern.matcher(name).matches()))
                            .as(name)
                            .isTrue());
        }
        assertThat(dpo.get("additionalProperties").booleanValue()).isFalse();
    }

    /** Every variable that Java reads is listed. */
    @Test
    void environmentVariablesAreListed() throws IOException {
        Pattern read = Pattern.compile("(?:getenv\\(|getOrDefault\\(|VARIABLE = )\"([A-Z][A-Z_0-9]+)\"");
        TreeSet<String> names = new TreeSet<>();
        try (Stream<Path> files = Files.walk(TestFiles.repository("java"))) {
            for (Path file :
                    (Iterable<Path>) files.filter(file -> file.toString().matches(".*/src/main/.*\\.java"))::iterator) {
                read.matcher(Files.readString(file)).results().forEach(found -> names.add(found.group(1)));
            }
        }
        assertThat(names).contains("DPO4J_CUDA_PATH", "HF_HOME", "XDG_CACHE_HOME");
        String index = Files.readString(directory.resolve("OPTIONS.md"));
        String listed = index.substring(index.indexOf("## Environment"));
        assertThat(names).allSatisfy(name -> assertThat(listed).contains(name));
    }

    /** bash completes a command, an option and a value. Outside of a completion, bash has no compopt, and says so. */
    @Test
    void bashCompletes() throws IOException, InterruptedException {
        Path script = directory.resolve("completion");
        Files.write(script, Cli.run("completion").assertSucceeded().out());
        String complete = "source " + script + "; complete_words() { COMP_WORDS=(dpo4j \"$@\"); COMP_CWORD=$#;"
                + " COMPREPLY=(); _complete_dpo4j 2>/dev/null; echo \"${COMPREPLY[@]}\"; };"
                + " complete_words log; complete_words dpo --max_len; complete_words dpo --device c";
        assertThat(TestJvm.run(new ProcessBuilder("bash", "-c", complete), 0).lines())
                .containsExactly("logps", "--max_length", "cuda cpu");
    }
}
