package org.dpo4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import javax.xml.parsers.DocumentBuilderFactory;
import javax.xml.parsers.ParserConfigurationException;
import org.dpo4j.data.LetterTokenizer;
import org.dpo4j.model.TestFiles;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.w3c.dom.Document;
import org.xml.sax.SAXException;

/** {@code dpo4j data} on five rows that are counted by hand: with LetterTokenizer each letter is a token. */
class DataCommandTest {
    private static final String ROWS = """
        {"prompt":"cd","chosen":"ccc","rejected":"d"}
        {"prompt":"c","chosen":"d","rejected":"cccccc"}
        {"prompt":"cd","chosen":"ccc","rejected":"d"}
        {"prompt":"c","chosen":"dd","rejected":"dd"}
        {"prompt":"c"}
        """;

    @TempDir
    Path directory;

    private Path rows;

    @BeforeEach
    void write() {
        rows = TestFiles.write(directory.resolve("rows.jsonl"), ROWS);
        LetterTokenizer.write(directory, true);
    }

    private Cli data(String words, Object... values) {
        return Cli.run(Cli.words(Cli.words("data --dataset_name %s", rows), words, values));
    }

    /** BOS belongs to the prompt, EOS to each completion: 10 tokens of prompts, 13 chosen and 14 rejected ones. */
    @Test
    void statisticsInTokens() {
        Cli run = data("--model_name_or_path %s", directory).assertSucceeded();
        run.assertPrints("rows of a pair +4")
                .assertPrints("unusable: unknown format +1: rows.jsonl line 5")
                .assertPrints(" +its keys \\[prompt\\] match no format; give .*, or rename columns with column_map")
                .assertPrints("same as an earlier row +1")
                .assertPrints("chosen is rejected +1")
                .assertPrints("share of prompts +27.0% of all tokens; a prompt counts once")
                .assertPrints(
                        "length bias +chosen is longer in 50.0% of the pairs, shorter in 25.0%; on average by -0.3 tokens")
                .assertPrints("vocabulary +4 of 10 \\(40.0%\\) tokens occur")
                .assertPrints("longer than max_length +256: 0.0%")
                .assertPrints(" +prompt +2 +2 +3 +3 +3 +2.5")
                .assertPrints(" +chosen +2 +3 +4 +4 +4 +3.3")
                .assertPrints(" +total +5 +7 +9 +9 +9 +7.0");
        assertThat(run.out()).anyMatch(line -> line.matches(" +7-7 +#+ 2"));
    }

    /** Training refuses the row, and says the same. */
    @Test
    void aRowWithoutAnswerCannotBeUsed() {
        TestFiles.write(rows, "{\"prompt\":\"a\",\"chosen\":\"\",\"rejected\":\"b\"}\n".repeat(6));
        Cli run = data("--model_name_or_path %s", directory);
        run.assertPrints("unusable: empty completion +6: (rows.jsonl line \\d, ){5}\\.\\.\\.")
                .assertPrints(" +the first: chosen is empty");
        run.assertError(rows + " has no row that can be used; the statistics say why");
        assertThat(data("--model_name_or_path %s --max_length 6", directory).code())
                .isEqualTo(1);
    }

    /** A file that was there stays as it was. */
    @Test
    void noFileIsWrittenWithoutRows() {
        TestFiles.write(rows, "{\"prompt\":\"a\"}\n[]\n");
        Path output = TestFiles.write(directory.resolve("out.jsonl"), "before");
        data("--on_bad_row skip --output %s", output)
                .assertThatError()
                .startsWith("dpo4j: error: " + rows + " has no row that can be written: the first reason is at " + rows
                        + " line 1: its keys [prompt] match no format; give ");
        assertThat(output).hasContent("before");
    }

    @Test
    void theFileThatIsReadIsNotReplaced() throws IOException {
        String message = "output would replace %s, which dataset_name reads; name another";
        data("--dedup --on_bad_row skip --output %s", rows).assertError(message.formatted(rows));
        assertThat(rows).hasContent(ROWS);
        Path train = Files.copy(rows, directory.resolve("train.jsonl"));
        Cli.run("data --dataset_name %s --on_bad_row skip --split 0.5 --output %s", train, directory)
                .assertError(message.formatted(train));
    }

    /** Training refuses the second row. */
    @Test
    void severalShapesAreSaid() {
        String text = "{\"prompt\":\"c\",\"chosen\":\"d\",\"rejected\":\"e\"}\n";
        TestFiles.write(rows, text + text.replace("\"c\"", "[{\"role\":\"user\",\"content\":\"c\"}]"));
        data("").assertSucceeded()
                .assertPrints("columns \\[prompt, chosen, rejected\\] +1")
                .assertPrints("columns \\[prompt, chosen, rejected\\] with messages +1")
                .assertPrints("several shapes +training takes one: .*");
        assertThat(data("--convert conversational --output -").assertSucceeded().json())
                .allMatch(row -> row.get("prompt").isArray());
        TestFiles.write(rows, text.repeat(2));
        assertThat(data("").assertSucceeded().out()).noneMatch(line -> line.startsWith("several shapes"));
    }

    /** Half of a character has no UTF-8, so it would be written as a question mark. */
    @Test
    void halfCharactersAreNotWritten() {
        String text = "{\"prompt\":\"c\",\"chosen\":\"d\",\"rejected\":\"e\",\"note\":{\"a\":\"\\ud83d\"}}\n";
        TestFiles.write(rows, text);
        data("").assertSucceeded();
        data("--output -")
                .assertError(rows + " line 1: note.a holds \\ud83d, half of a character; write the whole character");
        for (String key : List.of("\\udc00", "\\ud83d")) {
            TestFiles.write(rows, text.replace("\"a\"", "\"" + key + "\""));
            assertThat(data("--row 1").err().get(0))
                    .matches(
                            "dpo4j: error: " + rows
                                    + " line 1: malformed JSON: a key holds half of a character at column \\d+; write the whole.*");
        }
    }

    @Test
    void statisticsInCharactersWithoutATokenizer() {
        data("").assertSucceeded().assertPrints("lengths in characters.*").assertPrints(" +chosen +1 +2 +3 +3 +3 +2.3");
    }

    @Test
    void whatTrainingWouldCut() {
        data("--model_name_or_path %s --max_length 6 --on_bad_row skip --drop_duplicates", directory)
                .assertSucceeded()
                .assertPrints("with these options +3 rows, 2 cut to max_length; skipped 2: .*")
                .assertPrints(" +cut: rejected +1 .* rows.jsonl line 2");
        data("--max_length 6")
                .assertError("max_length is given without model_name_or_path, whose tokenizer counts tokens;"
                        + " give both");
    }

    /** A pipe is read once: statistics of it are those of the file, and what needs two readings is refused. */
    @Test
    void aPipeIsReadOnce() throws IOException {
        List<String> expected = data("").out();
        Path pipe = TestFiles.pipe(directory.resolve("pipe"));
        new ProcessBuilder("sh", "-c", "cat \"$1\" > \"$2\"", "sh", rows.toString(), pipe.toString()).start();
        List<String> found =
                Cli.run("data --dataset_name %s", pipe).assertSucceeded().out();
        assertThat(found.subList(3, found.size())).isEqualTo(expected.subList(3, expected.size()));
        Cli.run("data --dataset_name %s --model_name_or_path %s --max_length 6", pipe, directory)
                .assertError("max_length needs rows that can be read twice, and " + pipe
                        + " is a pipe; write the rows to a file, or leave max_length out");
    }

    @Test
    void judgedRowsAreCutAsKtoCutsThem() {
        TestFiles.write(
                rows,
                "{\"prompt\":\"c\",\"completion\":\"dddddd\",\"label\":true}\n"
                        + "{\"prompt\":\"c\",\"completion\":\"d\",\"label\":false}\n");
        data("--model_name_or_path %s --max_length 6", directory)
                .assertSucceeded()
                .assertPrints("rows of one judged completion +2")
                .assertPrints("judged good +1 of 2 \\(50.0%\\)")
                .assertPrints("with these options +2 rows, 1 cut to max_length");
    }

    /** The page is well-formed, loads nothing, and describes its picture. */
    @Test
    void thePageNeedsNoOtherFile() throws IOException, SAXException {
        Path page = directory.resolve("page.html");
        data("--html %s", page).assertSucceeded();
        String text = TestFiles.read(page);
        assertThat(text).doesNotContain("<script", "href=", "src=", "url(", "@import");
        String body = text.replace("<!DOCTYPE html>", "").replaceAll("<meta ([^>]*)>", "<meta $1/>");
        Document document;
        try {
            document = DocumentBuilderFactory.newInstance()
                    .newDocumentBuilder()
                    .parse(new ByteArrayInputStream(body.getBytes(StandardCharsets.UTF_8)));
        } catch (ParserConfigurationException e) {
            throw new AssertionError(e);
        }
        assertThat(document.getDocumentElement().getAttribute("lang")).isEqualTo("en");
        assertThat(document.getElementsByTagName("caption").getLength()).isEqualTo(3);
        assertThat(document.getElementsByTagName("rect").getLength()).isPositive();
        assertThat(text).contains("role=\"img\" aria-labelledby=\"histogram\"", "<th scope=\"row\">chosen</th>");
    }

    @Test
    void oneRowAsTextAndTokens() {
        data("--model_name_or_path %s --row 2", directory)
                .assertSucceeded()
                .assertPrints(".*rows.jsonl line 2: \\[prompt, chosen, rejected\\], a pair")
                .assertPrints("--- tokens of chosen: 2 read, 2 learnt")
                .assertPrints("read: \\|<0>\\|c\\|")
                .assertPrints("learnt: \\|d\\|<1>\\|")
                .assertPrints("learnt: \\|c\\|c\\|c\\|c\\|c\\|c\\|<1>\\|");
        assertThat(data("--row 5").err().get(0)).startsWith("dpo4j: error: " + rows + " line 5: its keys [prompt]");
        assertThat(data("--row 6").err().get(0))
                .isEqualTo("dpo4j: error: row 6 is not in " + rows + ": its last row has number 5; give another row");
    }

    /** max_length 4 leaves two of the prompt's two and of seven rejected tokens, and both chosen ones. */
    @Test
    void aRowShowsWhatIsCutAndWhatIsLearnt() {
        data("--model_name_or_path %s --row 2 --max_length 4", directory)
                .assertSucceeded()
                .assertPrints("--- tokens of chosen: 2 read, 2 learnt")
                .assertPrints("--- tokens of rejected: 2 read, 2 learnt, 5 cut")
                .assertPrints("learnt: \\|c\\|c\\|")
                .assertPrints("cut: \\|c\\|c\\|c\\|c\\|<1>\\|");
        data("--model_name_or_path %s --row 2 --max_length 4 --truncation_mode keep_end --keep_eos false", directory)
                .assertSucceeded()
                .assertPrints("--- tokens of rejected: 1 read, 3 learnt, 5 cut")
                .assertPrints("cut: \\|<0>\\|c\\|c\\|c\\|c\\|");
        data("--model_name_or_path %s --row 2 --max_length 2", directory)
                .assertSucceeded()
                .assertPrints("left out: prompt has 2 tokens, which leaves no room in max_length 2");
        TestFiles.write(
                directory.resolve("chat_template.jinja"),
                "{% for m in messages %}c{% generation %}{{ m.content }}{% endgeneration %}{% endfor %}");
        TestFiles.write(rows, "{\"messages\":[{\"role\":\"user\",\"content\":\"d\"}]}\n");
        data("--model_name_or_path %s --row 1 --assistant_only_loss", directory)
                .assertSucceeded()
                .assertPrints("--- tokens of completion: 1 read, 1 learnt")
                .assertPrints("read: \\|c\\|")
                .assertPrints("learnt: \\|d\\|");
    }

    /** All that read rows name a column that no row has. */
    @Test
    void columnsThatNoRowHas() {
        String message = rows + ": column_map reads weight from wieght, but no row has such a column; there are prompt,"
                + " chosen, rejected. Correct the name, or leave it out of column_map";
        data("--column_map weight=wieght").assertError(message);
        data("--column_map weight=wieght --output - --on_bad_row skip").assertError(message);
        assertThat(data("--column_map weight=wieght --row 2").assertSucceeded().err())
                .containsExactly(
                        "dpo4j: " + rows + " line 2 (column_map reads weight from wieght, but no row so far has such"
                                + " a column; there are prompt, chosen, rejected)");
        assertThat(data("--column_map prompt=quetsion --output -").err().get(0))
                .startsWith("dpo4j: error: " + rows + " line 1: there is no prompt")
                .endsWith(
                        " (column_map reads prompt from quetsion, but no row so far has such a column; there are prompt,"
                                + " chosen, rejected)");
    }

    @Test
    void rowsAreConverted() {
        Cli run =
                data("--convert unpaired --dedup --on_bad_row skip --output -").assertSucceeded();
        assertThat(run.out()).hasSize(6).startsWith("{\"prompt\":\"cd\",\"completion\":\"ccc\",\"label\":true}");
        assertThat(run.err().get(0))
                .isEqualTo(
                        "dpo4j: 6 rows; left out 1 that say the same as an earlier row; left out 1 that cannot be used");
        assertThat(data("--convert ids --model_name_or_path %s --on_bad_row skip --output -", directory)
                        .out())
                .startsWith("{\"prompt_ids\":[0,4,5],\"chosen_ids\":[4,4,4,1],\"rejected_ids\":[5,1]}");
        assertThat(data("--convert openai --output -").err().get(0))
                .startsWith("dpo4j: error: " + rows + " line 5: its keys [prompt]");
        data("--convert openai").assertError("output is missing; give it, because convert, dedup and split write rows");
        data("--split 1 --output x").assertError("split is 1; it must be above 0 and below 1");
    }

    /** The template writes c before each message and d before an answer. Its BOS and EOS are those of rows of text. */
    @Test
    void messagesAreRenderedByTheTemplate() {
        TestFiles.write(
                directory.resolve("chat_template.jinja"),
                "{{ bos_token }}{% for m in messages %}{{ 'd' if m.role == 'assistant' else 'c' }}{{ m.content }}"
                        + "{{ eos_token if m.role == 'assistant' }}{% endfor %}{% if add_generation_prompt %}d{% endif %}");
        TestFiles.write(
                rows,
                "{\"prompt\":[{\"role\":\"user\",\"content\":\"e\"}],\"chosen\":[{\"role\":\"assistant\",\"content\":\"f\"}],"
                        + "\"rejected\":[{\"role\":\"assistant\",\"content\":\"a\"}]}\n");
        assertThat(data("--model_name_or_path %s --convert text --output -", directory)
                        .out())
                .containsExactly("{\"prompt\":\"<s>ced\",\"chosen\":\"f</s>\",\"rejected\":\"a</s>\"}");
        assertThat(data("--model_name_or_path %s --row 1", directory).out())
                .containsSequence(
                        "as the chat template renders it:", "", "--- prompt", "<s>ced", "", "--- chosen", "f</s>");
        data("--convert text --output -")
                .assertError(
                        rows + " line 1: it has messages, not text (give model_name_or_path for its chat template);"
                                + " convert it to another shape");
    }

    /** Rows are converted on several threads, but written in their order, up to the first bad one. */
    @Test
    void orderAndErrorsDoNotDependOnThreads() throws IOException {
        List<String> lines = IntStream.range(0, 1000)
                .mapToObj(i -> "{\"prompt\":\"c\",\"completion\":\"" + "d".repeat(i % 9) + i + "\"}")
                .collect(Collectors.toCollection(ArrayList::new));
        Files.write(rows, lines);
        assertThat(data("--convert text --output -").out()).isEqualTo(lines);
        lines.set(700, "{}");
        lines.set(750, "[]");
        Files.write(rows, lines);
        assertThat(data("--convert text --output -").err().get(0)).startsWith("dpo4j: error: " + rows + " line 701: ");
    }

    /** Every row is in one part, as it was, and no prompt is in both. About a fifth of 200 prompts is in the second. */
    @Test
    void noPromptIsInBothPartsOfASplit() throws IOException {
        List<String> lines = IntStream.range(0, 600)
                .mapToObj(i ->
                        "{\"chosen\":\"a" + i + "\",\"note\":[1],\"prompt\":\"p" + i % 200 + "\",\"rejected\":\"b\"}")
                .toList();
        Files.write(rows, lines);
        Set<String> parts = new HashSet<>();
        for (int seed = 1; seed <= 2; seed++) {
            Path output = directory.resolve("split" + seed);
            data("--split 0.8 --seed %s --output %s", seed, output).assertSucceeded();
            List<String> train = Files.readAllLines(output.resolve("train.jsonl"));
            List<String> test = Files.readAllLines(output.resolve("test.jsonl"));
            Set<String> all = new HashSet<>(train);
            all.addAll(test);
            assertThat(all).containsExactlyInAnyOrderElementsOf(lines);
            assertThat(prompts(train)).doesNotContainAnyElementsOf(prompts(test));
            assertThat(prompts(test).size()).isBetween(20, 60); // binomial, mean 40, standard deviation 5.7
            parts.add(test.toString());
        }
        assertThat(parts).hasSize(2);
    }

    private static Set<String> prompts(List<String> lines) {
        Set<String> prompts = new HashSet<>();
        lines.forEach(line -> {
            JsonNode row = TestFiles.json(line);
            prompts.add(row.get("prompt").textValue());
        });
        return prompts;
    }
}
