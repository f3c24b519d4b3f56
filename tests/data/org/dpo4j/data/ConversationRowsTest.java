package org.dpo4j.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.dpo4j.data.LetterTokenizer.A;
import static org.dpo4j.data.LetterTokenizer.EOS;
import static org.dpo4j.model.RefusalAssertions.assertRefused;
import static org.dpo4j.model.RefusalAssertions.assertRefusedWith;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.dpo4j.data.row.ChatTemplates;
import org.dpo4j.data.row.ColumnMap;
import org.dpo4j.data.row.OnPromptMismatch;
import org.dpo4j.data.row.RowOptions;
import org.dpo4j.data.source.RowSources;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Answers without text, calls that a template leaves out, weights that nothing reads, columns that no row has. */
class ConversationRowsTest {
    private static final String USER = "{'role':'user','content':'e'}";
    private static final String CALL =
            "{'role':'assistant','tool_calls':[{'type':'function','function':{'name':'f'," + "'arguments':{'a':1}}}]}";

    /** d stands before an answer, c before any other message, EOS at the end of each. */
    private static final String TEMPLATE = "{% for m in messages %}{{ 'd' if m.role == 'assistant' else 'c' }}"
            + "{{ m.content }}</s>{% endfor %}{% if add_generation_prompt %}d{% endif %}";

    private static final String TEMPLATE_WITH_CALLS =
            TEMPLATE.replace("{{ m.content }}", "{% if m.tool_calls %}f{% else %}{{ m.content }}{% endif %}");

    @TempDir
    Path directory;

    private Path rows(String... lines) {
        return TestData.write(directory, "rows.jsonl", String.join("\n", lines).replace('\'', '"'));
    }

    private ReadOptions options(Tokenizer tokenizer, String template, ColumnMap columns) {
        TestData.write(directory, "chat_template.jinja", template);
        return new ReadOptions(
                tokenizer,
                LetterTokenizer.SIZE,
                Truncation.NONE,
                RepeatOptions.NONE,
                OnBadRow.STOP,
                new RowOptions(columns, ChatTemplates.in(directory), OnPromptMismatch.STOP, false),
                null);
    }

    private static String pair(String chosen) {
        return "{'prompt':[" + USER + "],'chosen':[" + chosen + "],'rejected':[{'role':'assistant','content':'a'}]}";
    }

    /** Many tokenizers pad with EOS. The mask is by position: every EOS of an answer is learnt, no other one. */
    @Test
    void eosIsLearntAlthoughItPads() {
        LetterTokenizer.write(directory, true);
        TestData.write(
                directory,
                "tokenizer_config.json",
                "{\"bos_token\":\"<s>\",\"eos_token\":\"</s>\",\"pad_token\":\"</s>\"}");
        String template = "{% for m in messages %}{% if m.role == 'user' %}c{{ m.content }}</s>d{% else %}"
                + "{% generation %}{{ m.content }}</s>{% endgeneration %}{% endif %}{% endfor %}";
        String answer = "{'role':'assistant','content':'a'}";
        Path file = rows("{'messages':[" + USER + "," + answer + "," + USER + "," + answer + "]}");
        try (Tokenizer tokenizer = Tokenizer.load(directory, LetterTokenizer.SIZE)) {
            ReadOptions options = options(tokenizer, template, ColumnMap.NONE).assistantOnly();
            Sequence row = Dataset.sequences(file, options).rows().get(0);
            assertThat(row.completion()).containsExactly(6, 1, 5, 2, 1, 4, 6, 1, 5, 2, 1);
            assertThat(row.targets())
                    .containsExactly(false, false, false, true, true, false, false, false, false, true, true);
        }
    }

    /** As in TRL, what the template writes behind an answer is learnt. */
    @Test
    void anAnswerWithoutTextIsLearntAndCounted() {
        Path file = rows(pair("{'role':'assistant','content':'b'}"), pair("{'role':'assistant','content':''}"));
        try (Tokenizer tokenizer = LetterTokenizer.load(directory, false)) {
            Dataset<PreferencePair> read = Dataset.pairs(file, options(tokenizer, TEMPLATE, ColumnMap.NONE));
            assertThat(read.rows().get(1).chosen()).containsExactly(EOS);
            assertThat(read.rows().get(1).rejected()).containsExactly(A, EOS);
            assertThat(read.report().noted()).containsOnlyKeys("answer without text");
            assertThat(read.report().table().get(1)).contains("answer without text", " 1 ", "rows.jsonl line 2");
        }
    }

    @Test
    void callsThatTheTemplateLeavesOutAreRefused() {
        Path file = rows(pair(CALL));
        Path whole = TestData.write(
                directory, "whole.jsonl", ("{'messages':[" + USER + "," + CALL + "]}").replace('\'', '"'));
        try (Tokenizer tokenizer = LetterTokenizer.load(directory, false)) {
            String message =
                    " line 1: the chat template writes nothing of the assistant's tool_calls, so the answer would be"
                            + " learnt without them; use a template that writes calls of functions, or leave the row out";
            ReadOptions without = options(tokenizer, TEMPLATE, ColumnMap.NONE);
            assertRefusedWith(() -> Dataset.pairs(file, without), file + message);
            assertRefusedWith(() -> Dataset.sequences(whole, without), whole + message);
            ReadOptions with = options(tokenizer, TEMPLATE_WITH_CALLS, ColumnMap.NONE);
            assertThat(Dataset.pairs(file, with).rows().get(0).chosen()).hasSize(2);
            assertThat(Dataset.sequences(whole, with).rows()).hasSize(1);
        }
    }

    /** The loss of sft is a mean over tokens without weights. Log-probs do not depend on weights. */
    @Test
    void aWeightOfASequenceIsRefusedInTraining() {
        Path file = rows("{'text':'ab','weight':1}", "{'text':'ba','weight':2}");
        try (Tokenizer tokenizer = LetterTokenizer.load(directory, false)) {
            ReadOptions options = options(tokenizer, TEMPLATE, ColumnMap.NONE);
            assertRefusedWith(
                    () -> Dataset.sequences(file, options),
                    file + " line 2: it has a weight, but sft learns all tokens alike; leave the column weight out with"
                            + " column_map");
            List<Integer> sizes = new ArrayList<>();
            Dataset.read(
                    RowSources.named(file),
                    options,
                    DatasetCache.NONE,
                    ReadListener.NONE,
                    pairs -> sizes.add(-1),
                    sequences -> sizes.add(sequences.rows().size()));
            assertThat(sizes).containsExactly(2);
        }
    }

    @Test
    void columnsThatNoRowHas() {
        Path file = rows("{'question':'ab','note':1}", "{'question':'ba','prompt':'c'}");
        try (Tokenizer tokenizer = LetterTokenizer.load(directory, false)) {
            RowOptions misspelt = options(
                            tokenizer, TEMPLATE, new ColumnMap(Map.of("system", "sytem", "prompt", "question")))
                    .rows();
            assertRefusedWith(
                    () -> Prompt.read(file, tokenizer, LetterTokenizer.SIZE, misspelt),
                    file
                            + ": column_map reads system from sytem, but no row has such a column; there are question, note,"
                            + " prompt. Correct the name, or leave it out of column_map");
            RowOptions good = options(tokenizer, TEMPLATE, new ColumnMap(Map.of("prompt", "question")))
                    .rows();
            assertThat(Prompt.read(file, tokenizer, LetterTokenizer.SIZE, good).rows())
                    .hasSize(2);
        }
    }

    /** Not only the number of the row: with several files it is that of none of them. */
    @Test
    void weightsThatKtoDoesNotReadAreNamedByFileAndLine() {
        TestData.write(directory, "1.jsonl", "{\"prompt\":\"c\",\"chosen\":\"b\",\"rejected\":\"d\"}\n");
        Path second = TestData.write(
                directory, "2.jsonl", "\n{\"prompt\":\"c\",\"chosen\":\"d\",\"rejected\":\"e\",\"weight\":2}\n");
        try (Tokenizer tokenizer = LetterTokenizer.load(directory, false)) {
            ReadOptions options = LetterTokenizer.options(tokenizer, OnBadRow.STOP);
            assertRefused(
                    () -> Dataset.unpaired(
                            RowSources.files(List.of(directory + "/*.jsonl")),
                            options,
                            DatasetCache.NONE,
                            ReadListener.NONE),
                    second + " line 2 has the weight 2.0, but the losses of kto have no weights of rows");
        }
    }
}
