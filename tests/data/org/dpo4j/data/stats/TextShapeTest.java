package org.dpo4j.data.stats;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.dpo4j.data.Tokenizer;
import org.dpo4j.data.row.ChatTemplates;
import org.dpo4j.data.row.ColumnMap;
import org.dpo4j.data.row.Encoder;
import org.dpo4j.data.row.Example;
import org.dpo4j.data.row.OnPromptMismatch;
import org.dpo4j.data.row.RowOptions;
import org.dpo4j.data.source.BadRow;
import org.dpo4j.model.TestFiles;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Conversations that are written as text, with real tokenizers. The text has the ids of the conversation, or it is not
 * written: a tokenizer that adds BOS adds it to text, and EOS is added to text that does not end with it.
 */
class TextShapeTest {
    private static final String USER = "{\"role\":\"user\",\"content\":\"Is the sky blue?\"}";
    private static final String ANSWER = "[{\"role\":\"assistant\",\"content\":\"Yes, on most days.\"}]";
    private static final List<String> ROWS = List.of(
            "{\"prompt\":[" + USER + "],\"chosen\":" + ANSWER + ",\"rejected\":" + ANSWER.replace("Yes", "No") + "}",
            "{\"prompt\":[" + USER + "],\"completion\":" + ANSWER + "}",
            "{\"messages\":" + ANSWER.replace("[", "[" + USER + ",") + "}");

    private static final String CHATML =
            "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
                    + "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";
    private static final String ENDED = "{% for m in messages %}{{ m.role }}: {{ m.content }}"
            + "{{ eos_token if m.role == 'assistant' else '\n' }}{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}";

    @TempDir
    Path directory;

    /**
     * For each tokenizer, whether texts of these templates are written: ChatML, EOS alone, BOS and EOS. GPT-2 and GPT-NeoX have
     * another EOS than ChatML's end of a message. The last two tokenizers add BOS; that of TinyStories reads the text of its
     * EOS as four ordinary tokens.
     */
    @ParameterizedTest
    @CsvSource(delimiter = ';', textBlock = """
        tokenizers/gpt2/tokenizer.json        ; <|endoftext|>  ; <|endoftext|>; false; true ; true
        tokenizers/gpt-neox/20B_tokenizer.json; <|endoftext|>  ; <|endoftext|>; false; true ; true
        tokenizers/qwen2.5/tokenizer.json     ; <|endoftext|>  ; <|im_end|>   ; true ; true ; true
        tokenizers/smollm2/tokenizer.json     ; <|endoftext|>  ; <|im_end|>   ; true ; true ; true
        models/TinyStories-656K/tokenizer.json; <|start_story|>; <|end_story|>; false; false; false
        models/stories260K/hf/tokenizer.json  ; <s>            ; </s>         ; false; false; true
        """)
    void textHasTheIdsOfTheMessages(
            String file, String bos, String eos, boolean chatMl, boolean ended, boolean begunAndEnded)
            throws IOException {
        Files.copy(TestFiles.real(file), directory.resolve("tokenizer.json"));
        TestFiles.write(
                directory.resolve("tokenizer_config.json"),
                "{\"bos_token\":\"" + bos + "\",\"eos_token\":\"" + eos + "\"}");
        try (Tokenizer tokenizer = Tokenizer.load(directory, Integer.MAX_VALUE)) {
            assertThat(isWritten(CHATML, tokenizer)).as("ChatML").isEqualTo(chatMl);
            assertThat(isWritten(ENDED, tokenizer)).as("EOS").isEqualTo(ended);
            assertThat(isWritten("{{ bos_token }}" + ENDED, tokenizer))
                    .as("BOS and EOS")
                    .isEqualTo(begunAndEnded);
        }
    }

    /** Whether the rows are written as text. Text that is written has the same ids. */
    private boolean isWritten(String template, Tokenizer tokenizer) {
        TestFiles.write(directory.resolve("chat_template.jinja"), template);
        RowOptions options = new RowOptions(ColumnMap.NONE, ChatTemplates.in(directory), OnPromptMismatch.STOP, false);
        Encoder encoder = new Encoder(tokenizer, Integer.MAX_VALUE, options);
        long written = ROWS.stream()
                .filter(row -> {
                    try {
                        Example example = example((ObjectNode) TestFiles.json(row));
                        ObjectNode text = RowShape.TEXT.rows(example, encoder).get(0);
                        assertThat(text.toString()).doesNotContain("role\":");
                        Encoder.Joint expected = encoder.encode(example.content());
                        Encoder.Joint found = encoder.encode(example(text).content());
                        assertThat(found.prompt()).isEqualTo(expected.prompt());
                        assertThat(found.completions()).isDeepEqualTo(expected.completions());
                        return true;
                    } catch (BadRow bad) {
                        assertThat(bad.reason()).isEqualTo(BadRow.Reason.UNWRITABLE);
                        assertThat(bad)
                                .hasMessageContaining("other token ids")
                                .hasMessageEndingWith("convert it to ids");
                        return false;
                    }
                })
                .count();
        assertThat(written).isIn(0L, (long) ROWS.size());
        return written > 0;
    }

    private static Example example(ObjectNode row) throws BadRow {
        return ReadRow.read("row 1", row, ColumnMap.NONE).examples().get(0);
    }
}
