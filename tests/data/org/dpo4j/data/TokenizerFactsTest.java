package org.dpo4j.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.dpo4j.kernels.Dpo4jException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What is said of a tokenizer's files when they are read, and of texts that it has no tokens for. */
class TokenizerFactsTest {
    private static final String[] FILES = {"config.json", "generation_config.json"};

    @TempDir
    Path directory;

    private void writeLetters() {
        LetterTokenizer.write(directory, false);
        TestData.write(directory, "tokenizer_config.json", "{}");
    }

    private Tokenizer load() {
        return Tokenizer.load(directory, LetterTokenizer.SIZE);
    }

    private void assertRefused(String message) {
        assertThatThrownBy(this::load).isInstanceOf(Dpo4jException.class).hasMessage(message);
    }

    @ParameterizedTest
    @ValueSource(strings = {"10", "-1", "[1, 10]", "4294967297", "99999999999999999999"})
    void endingTokensBeyondTheModel(String id) {
        writeLetters();
        for (String name : FILES) {
            for (String key : new String[] {"bos_token_id", "eos_token_id"}) {
                Path file = TestData.write(directory, name, "{\"" + key + "\": " + id + "}");
                assertRefused(file + ": " + key + " is " + id.replace(" ", "")
                        + ", but the model's vocabulary has 10 tokens, 0 to 9; use the file of the model that the"
                        + " weights belong to");
                TestData.write(directory, name, "{}");
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"\"2\"", "2.0", "true", "{\"id\":2}", "[2,null]", "[[2]]"})
    void endingTokensThatAreNoIds(String id) {
        writeLetters();
        for (String name : FILES) {
            Path file = TestData.write(directory, name, "{\"eos_token_id\": " + id + "}");
            assertRefused(file + ": eos_token_id is " + id + "; give a token id or a list of them");
            TestData.write(directory, name, "{}");
        }
    }

    /** What another file names already is not looked up. */
    @Test
    void idsThatNobodyReads() {
        LetterTokenizer.write(directory, false);
        TestData.write(directory, "config.json", "{\"bos_token_id\": null, \"eos_token_id\": 2048}");
        try (Tokenizer tokenizer = load()) {
            assertThat(tokenizer.eosTokenId()).isEqualTo(LetterTokenizer.END);
        }
    }

    @Test
    void noIds() {
        writeLetters();
        TestData.write(directory, "config.json", "{\"bos_token_id\": null, \"eos_token_id\": []}");
        try (Tokenizer tokenizer = load()) {
            assertThat(tokenizer.bosTokenId()).isNull();
            assertThat(tokenizer.eosTokenId()).isNull();
        }
    }

    @Test
    void aBeginningTokenBeyondTheModel() {
        Path file = LetterTokenizer.write(directory, true).resolve("tokenizer.json");
        replace(file, "\"ids\": [0]", "\"ids\": [0, 10]");
        assertRefused(
                file + ": post_processor adds token id 10, but the model's vocabulary has 10; use the tokenizer the"
                        + " model was trained with");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "\"type\": \"TemplateProcessing\" | \"type\": \"Nonsense\" | of type \"Nonsense\" is not known",
                "{\"SpecialToken\": {\"id\": \"<s>\" | {\"SpecialToken\": {\"id\": \"<t>\" | names \"<t>\", which its"
                        + " special_tokens do not have",
                "{\"Sequence\": {\"id\": \"A\", \"type_id\": 0}} | {\"SpecialToken\": {\"id\": \"<s>\"}} | holds the text"
                        + " 0 times",
                "\"ids\": [0] | \"ids\": [-3] | gives \"<s>\" the id -3"
            })
    void postProcessorsThatNobodyCanFollow(String what, String instead, String message) {
        Path file = LetterTokenizer.write(directory, true).resolve("tokenizer.json");
        replace(file, what, instead);
        assertRefused(
                file + ": post_processor " + message + "; a tokenizer.json of the tokenizers library is expected");
    }

    @ParameterizedTest
    @ValueSource(strings = {"-1", "1.5", "\"7\"", "null", "4294967296"})
    void idsThatAreNone(String id) {
        Path file = LetterTokenizer.write(directory, true).resolve("tokenizer.json");
        replace(file, "\"f\": 7", "\"f\": " + id);
        assertRefused(file + ": token \"f\" has the id " + id.replace("\"", "")
                + "; a tokenizer.json of the tokenizers library is expected");
    }

    /** What transformers refuses as a special token; a number is not the token whose text is that number. */
    @ParameterizedTest
    @ValueSource(strings = {"2", "false", "[\"end\"]", "{}", "{\"content\":null}", "{\"content\":{\"content\":\"f\"}}"})
    void specialTokensThatAreNoText(String token) {
        LetterTokenizer.write(directory, false);
        TestData.write(directory, "tokenizer_config.json", "{}");
        for (String name : new String[] {"special_tokens_map.json", "tokenizer_config.json"}) {
            Path file = TestData.write(directory, name, "{\"eos_token\": " + token + "}");
            assertRefused(file + ": eos_token is " + token + "; give the token as text, or as an object with content");
        }
    }

    @Test
    void filesOfSpecialTokensThatHoldNone() {
        LetterTokenizer.write(directory, false);
        Path file = TestData.write(directory, "tokenizer_config.json", "");
        assertRefused(file + " is empty; download it again");
        TestData.write(directory, "tokenizer_config.json", "[]");
        assertRefused(file + " does not hold a JSON object; download it again");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "{\"added_tokens\": null, \"model\": {\"vocab\": {\"a\": 0}}} | added_tokens is not a list",
                "{\"added_tokens\": {\"a\": 1}} | added_tokens is not a list",
                "{\"added_tokens\": [\"a\"]} | added_tokens has an element that is not an object",
                "{\"model\": null} | model is not an object",
                "{\"model\": [\"vocab\"]} | model is not an object"
            })
    void tablesOfAnotherShape(String json, String message) {
        Path file = TestData.write(directory, "tokenizer.json", json);
        assertRefused(file + ": " + message + "; a tokenizer.json of the tokenizers library is expected");
    }

    /** The library names its own types and places in its copy of the file; a user knows neither. */
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "\"type\": \"BPE\" | \"type\": \"Nonsense\" | its model has an unknown type or unknown fields",
                "\"decoder\": {\"type\": \"Fuse\"} | \"decoder\": {\"type\": \"Nonsense\"} | its decoder has an unknown type or"
                        + " unknown fields",
                "\"normalizer\": null | \"normalizer\": {\"type\": \"Nonsense\"} | its normalizer has an unknown type"
                        + " or unknown fields"
            })
    void filesThatTheLibraryRefuses(String what, String instead, String reason) {
        Path file = LetterTokenizer.write(directory, false).resolve("tokenizer.json");
        replace(file, what, instead);
        String version = TokenizerLibrary.probe().version();
        assertRefused(file + " is not a tokenizer that the tokenizers library " + version + " can load: " + reason
                + "; download it again, or save it with that version of the library");
    }

    @Test
    void filesOfAnotherKind() {
        Path file = TestData.write(
                directory, "tokenizer.json", "version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 2\n");
        assertRefused(file + " is a Git LFS pointer, not the file itself; run git lfs pull where it was cloned, or"
                + " download the file");
        TestData.write(directory, "tokenizer.json", new byte[] {'{', (byte) 0xff, '}'});
        assertRefused(file + " is not UTF-8 text; download it again");
    }

    /** The dropout of training merges other pairs at each call; here every number of it is off. */
    @ParameterizedTest
    @ValueSource(strings = {"0.0", "0.5", "1.0", "1e-1", "1"})
    void dropoutIsOff(String dropout) {
        Path file = LetterTokenizer.write(directory, false).resolve("tokenizer.json");
        replace(file, "\"dropout\": null", "\"dropout\": " + dropout);
        try (Tokenizer tokenizer = load()) {
            assertThat(tokenizer.encode("ab".repeat(200)))
                    .containsOnly(LetterTokenizer.AB)
                    .hasSize(200);
        }
    }

    /** What the tokenizers library refuses (0.23.1), and would not see once it is null. */
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "\"dropout\": null|\"dropout\": {\"a\": 1}|dropout of its model is an object where null or a number from 0 to 1",
                "\"dropout\": null|\"dropout\": \"0.1\"|dropout of its model is a text where",
                "\"dropout\": null|\"dropout\": true|dropout of its model is true where",
                "\"dropout\": null|\"dropout\": [0.1]|dropout of its model is a list where",
                "\"dropout\": null|\"dropout\": -1|dropout of its model is -1 where",
                "\"dropout\": null|\"dropout\": 1.5|dropout of its model is 1.5 where",
                "{\"version\"|{\"truncation\": 5, \"version\"|truncation is neither an object nor null",
                "{\"version\"|{\"truncation\": {\"a\": 1}, \"version\"|truncation lacks max_length, strategy, stride",
                "{\"version\"|{\"padding\": \"Fixed\", \"version\"|padding is neither an object nor null",
                "{\"version\"|{\"padding\": {\"strategy\": \"Fixed\", \"pad_id\": 0}, \"version\"|padding lacks direction,"
                        + " pad_type_id, pad_token"
            })
    void settingsThatTheLibraryRefuses(String what, String instead, String message) {
        Path file = LetterTokenizer.write(directory, false).resolve("tokenizer.json");
        replace(file, what, instead);
        assertThatThrownBy(this::load)
                .isInstanceOf(Dpo4jException.class)
                .hasMessageStartingWith(file + ": " + message)
                .hasMessageEndingWith("; a tokenizer.json of the tokenizers library is expected");
    }

    /** WordLevel without an unknown token. */
    @Test
    void textsWithoutTokens() {
        TestData.write(directory, "tokenizer.json", """
            {"added_tokens": [], "normalizer": null, "pre_tokenizer": {"type": "WhitespaceSplit"},
             "post_processor": null, "decoder": null,
             "model": {"type": "WordLevel", "vocab": {"red": 0, "blue": 1, "end": 2}, "unk_token": "?"}}
            """);
        TestData.write(directory, "tokenizer_config.json", "{\"eos_token\": \"end\"}");
        Path data = TestData.write(directory, "rows.jsonl", """
            {"prompt":"red","chosen":" blue","rejected":" red"}
            {"prompt":"red","chosen":" green","rejected":" red"}
            """);
        try (Tokenizer tokenizer = load()) {
            ReadOptions skip = new ReadOptions(tokenizer, 3, null, null, OnBadRow.SKIP);
            assertThat(Dataset.pairs(data, skip).report())
                    .hasToString("1 rows; skipped 1: text without tokens in the vocabulary 1");
            ReadOptions stop = new ReadOptions(tokenizer, 3, null, null, OnBadRow.STOP);
            assertThatThrownBy(() -> Dataset.pairs(data, stop))
                    .hasMessageStartingWith(
                            data + " line 2: the tokenizer has no token for a part of the text, and none"
                                    + " for unknown parts (");
            assertThatThrownBy(() -> Prompt.read(data("{\"prompt\":\"red\"}\n{\"prompt\":\"green\"}\n"), tokenizer, 3))
                    .hasMessageContaining("prompts.jsonl line 2: the tokenizer has no token for a part of the text");
            assertThatThrownBy(() -> Prompt.of("green", tokenizer))
                    .hasMessageStartingWith("the tokenizer has no token for a part of the text");
        }
    }

    private Path data(String rows) {
        return TestData.write(directory, "prompts.jsonl", rows);
    }

    /** BPE without an unknown token drops what it does not know. */
    @Test
    void charactersThatAreDropped() {
        Path data = data("{\"prompt\":\"xyz\",\"chosen\":\"a\",\"rejected\":\"c\"}\n");
        try (Tokenizer tokenizer = LetterTokenizer.load(directory, false)) {
            ReadOptions stop = new ReadOptions(tokenizer, 10, null, null, OnBadRow.STOP);
            assertThatThrownBy(() -> Dataset.pairs(data, stop))
                    .hasMessage(data + " line 1: the tokenizer drops every character of the prompt and adds no BOS"
                            + " token, so no token precedes the completion; change the prompt");
            assertThatThrownBy(() -> Prompt.of("xyz", tokenizer))
                    .hasMessage("the prompt has no characters that the tokenizer knows and the tokenizer adds"
                            + " no BOS token; give at least one token");
        }
    }

    /** An answer that is there is not called empty. */
    @Test
    void answersThatAreDropped() {
        Path data = data("{\"prompt\":\"ac\",\"chosen\":\"xyz\",\"rejected\":\"c\"}\n");
        try (Tokenizer tokenizer = LetterTokenizer.load(directory, false)) {
            ReadOptions stop = new ReadOptions(tokenizer, 10, null, null, OnBadRow.STOP);
            assertThatThrownBy(() -> Dataset.pairs(data, stop))
                    .hasMessage(data + " line 1: a completion adds no token to the prompt: the tokenizer drops all of"
                            + " its characters, or merges them with the prompt's last token");
        }
    }

    /** "a" and "b" are one token together. */
    @Test
    void aPromptThatMergesWhole() {
        Path data = data("{\"prompt\":\"a\",\"chosen\":\"bc\",\"rejected\":\"c\"}\n");
        try (Tokenizer tokenizer = LetterTokenizer.load(directory, false)) {
            ReadOptions stop = new ReadOptions(tokenizer, 10, null, null, OnBadRow.STOP);
            assertThatThrownBy(() -> Dataset.pairs(data, stop))
                    .hasMessage(data + " line 1: the tokenizer merges the whole prompt with the completion's first"
                            + " token, so no token precedes the completion; end the prompt where a token ends, for"
                            + " instance with a line break");
            ReadOptions skip = new ReadOptions(tokenizer, 10, null, null, OnBadRow.SKIP);
            assertThatThrownBy(() -> Dataset.pairs(data, skip))
                    .hasMessageContaining("skipped 1: prompt merges with the completion's first token 1");
        }
        try (Tokenizer tokenizer = LetterTokenizer.load(directory, true)) { // BOS is left to predict it from
            ReadOptions stop = new ReadOptions(tokenizer, 10, null, null, OnBadRow.STOP);
            assertThat(Dataset.pairs(data, stop).rows().get(0).prompt()).containsExactly(LetterTokenizer.START);
        }
    }

    /** EOS, then white space: the text has ended, and its ids stay as they are. */
    @ParameterizedTest
    @ValueSource(strings = {" ", "   ", "\n", "\t", "\r\n ", "\u00a0", "\u3000 ", "\u2028\u0085"})
    void textsThatEndBeforeWhiteSpace(String space) {
        String escaped = space.replace("\n", "\\n").replace("\t", "\\t").replace("\r", "\\r");
        Path data =
                data("{\"prompt\":\"a\",\"chosen\":\"c</s>" + escaped + "\",\"rejected\":\"d</s>c" + escaped + "\"}\n");
        try (Tokenizer tokenizer = LetterTokenizer.load(directory, false)) {
            ReadOptions stop = new ReadOptions(tokenizer, 10, null, null, OnBadRow.STOP);
            PreferencePair pair = Dataset.pairs(data, stop).rows().get(0);
            int spaces = (int) space.chars().filter(c -> c == ' ').count(); // the vocabulary has no other
            assertThat(pair.chosen()).startsWith(4, 1).hasSize(2 + spaces);
            assertThat(pair.rejected()).startsWith(5, 1, 4).endsWith(1).hasSize(4 + spaces);
        }
    }

    @Test
    void plainTextsThatEndBeforeWhiteSpace() {
        Path data = data("{\"text\":\"ac</s> \"}\n{\"text\":\"ac </s>c \"}\n");
        try (Tokenizer tokenizer = LetterTokenizer.load(directory, false)) {
            ReadOptions stop = new ReadOptions(tokenizer, 10, null, null, OnBadRow.STOP);
            assertThat(Dataset.sequences(data, stop).rows())
                    .extracting(Sequence::completion)
                    .containsExactly(new int[] {4, 1, 8}, new int[] {4, 8, 1, 4, 8, 1});
        }
    }

    private static void replace(Path file, String what, String instead) {
        try {
            String content = Files.readString(file);
            assertThat(content).contains(what);
            Files.writeString(file, content.replace(what, instead));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
