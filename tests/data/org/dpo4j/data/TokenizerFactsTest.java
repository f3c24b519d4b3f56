package org.dpo4j.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.dpo4j.data.TestData.pair;
import static org.dpo4j.model.RefusalAssertions.assertRefusedWith;

import java.nio.file.Path;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.model.TestFiles;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Errors of a tokenizer's files, and of texts for which the tokenizer has no tokens. */
class TokenizerFactsTest {
    private static final String[] FILES = {"config.json", "generation_config.json"};

    @TempDir
    Path directory;

    /** A tokenizer whose own files name no BOS and no EOS. */
    private void writeLettersWithoutSpecialTokens() {
        LetterTokenizer.write(directory, false);
        TestData.write(directory, "tokenizer_config.json", "{}");
    }

    /** A {@code tokenizer.json} in which {@code after} stands instead of {@code before}. */
    private Path writeEdited(boolean addsBos, String before, String after) {
        return TestFiles.edit(LetterTokenizer.write(directory, addsBos).resolve("tokenizer.json"), before, after);
    }

    private Tokenizer load() {
        return Tokenizer.load(directory, LetterTokenizer.SIZE);
    }

    private void assertRefused(String message) {
        assertRefusedWith(this::load, message);
    }

    @ParameterizedTest
    @ValueSource(strings = {"10", "-1", "[1, 10]", "4294967297", "99999999999999999999"})
    void eosOrBosBeyondTheVocabularyIsRefused(String id) {
        writeLettersWithoutSpecialTokens();
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
    void anEosThatIsNoIdIsRefused(String id) {
        writeLettersWithoutSpecialTokens();
        for (String name : FILES) {
            Path file = TestData.write(directory, name, "{\"eos_token_id\": " + id + "}");
            assertRefused(file + ": eos_token_id is " + id + "; give a token id or a list of them");
            TestData.write(directory, name, "{}");
        }
    }

    /** tokenizer_config.json names EOS, so the id of config.json is not read. */
    @Test
    void anIdThatIsNotReadMayBeBeyondTheVocabulary() {
        LetterTokenizer.write(directory, false);
        TestData.write(directory, "config.json", "{\"bos_token_id\": null, \"eos_token_id\": 2048}");
        try (Tokenizer tokenizer = load()) {
            assertThat(tokenizer.eosTokenId()).isEqualTo(LetterTokenizer.EOS);
        }
    }

    @Test
    void aModelMayHaveNoBosAndNoEos() {
        writeLettersWithoutSpecialTokens();
        TestData.write(directory, "config.json", "{\"bos_token_id\": null, \"eos_token_id\": []}");
        try (Tokenizer tokenizer = load()) {
            assertThat(tokenizer.bosTokenId()).isNull();
            assertThat(tokenizer.eosTokenId()).isNull();
        }
    }

    @Test
    void aBosBeyondTheVocabularyIsRefused() {
        Path file = writeEdited(true, "\"ids\": [0]", "\"ids\": [0, 10]");
        assertRefused(
                file + ": post_processor adds token id 10, but the model's vocabulary has 10; use the tokenizer the"
                        + " model was trained with");
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
        "type": "TemplateProcessing" | "type": "Nonsense" | of type "Nonsense" is not known
        {"SpecialToken": {"id": "<s>" | {"SpecialToken": {"id": "<t>" | names "<t>", which its special_tokens do not have
        {"Sequence": {"id": "A", "type_id": 0}} | {"SpecialToken": {"id": "<s>"}} | holds the text 0 times
        "ids": [0] | "ids": [-3] | gives "<s>" the id -3
        """)
    void postProcessorsThatContradictThemselvesAreRefused(String before, String after, String message) {
        Path file = writeEdited(true, before, after);
        assertRefused(
                file + ": post_processor " + message + "; a tokenizer.json of the tokenizers library is expected");
    }

    @ParameterizedTest
    @ValueSource(strings = {"-1", "1.5", "\"7\"", "null", "4294967296"})
    void vocabulariesWithValuesThatAreNoIdsAreRefused(String id) {
        Path file = writeEdited(true, "\"f\": 7", "\"f\": " + id);
        assertRefused(
                file + ": token \"f\" has the id " + id + "; a tokenizer.json of the tokenizers library is expected");
    }

    /** transformers refuses the same special tokens; a number does not mean the token whose text is that number. */
    @ParameterizedTest
    @ValueSource(strings = {"2", "false", "[\"end\"]", "{}", "{\"content\":null}", "{\"content\":{\"content\":\"f\"}}"})
    void specialTokensThatAreNoTextAreRefused(String token) {
        writeLettersWithoutSpecialTokens();
        for (String name : new String[] {"special_tokens_map.json", "tokenizer_config.json"}) {
            Path file = TestData.write(directory, name, "{\"eos_token\": " + token + "}");
            assertRefused(file + ": eos_token is " + token + "; give the token as text, or as an object with content");
        }
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
        {"added_tokens": null, "model": {"vocab": {"a": 0}}} | added_tokens is not a list
        {"added_tokens": {"a": 1}} | added_tokens is not a list
        {"added_tokens": ["a"]} | added_tokens has an element that is not an object
        {"model": null} | model is not an object
        {"model": ["vocab"]} | model is not an object
        """)
    void tablesOfAnotherTypeAreRefused(String json, String message) {
        Path file = TestData.write(directory, "tokenizer.json", json);
        assertRefused(file + ": " + message + "; a tokenizer.json of the tokenizers library is expected");
    }

    /** The library's own message names its types and places in its copy of the file; a user knows neither. */
    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
        "type": "BPE" | "type": "Nonsense" | model
        "decoder": {"type": "Fuse"} | "decoder": {"type": "Nonsense"} | decoder
        "normalizer": null | "normalizer": {"type": "Nonsense"} | normalizer
        """)
    void aPartThatTheLibraryDoesNotKnowIsNamed(String before, String after, String part) {
        Path file = writeEdited(false, before, after);
        String version = TokenizerLibrary.probe().version();
        assertRefused(file + " is not a tokenizer that the tokenizers library " + version + " can load: its " + part
                + " has an unknown type or unknown fields; download it again, or save it with that version of the"
                + " library");
    }

    @Test
    void bytesThatAreNotUtf8AreRefused() {
        Path file = TestData.write(directory, "tokenizer.json", new byte[] {'{', (byte) 0xff, '}'});
        assertRefused(file + " is not UTF-8 text; download it again");
    }

    /** With dropout, which is for training, BPE merges other pairs in each call. dpo4j turns any dropout off. */
    @ParameterizedTest
    @ValueSource(strings = {"0.0", "0.5", "1.0", "1e-1", "1"})
    void dropoutIsOff(String dropout) {
        writeEdited(false, "\"dropout\": null", "\"dropout\": " + dropout);
        try (Tokenizer tokenizer = load()) {
            assertThat(tokenizer.encode("ab".repeat(200)))
                    .containsOnly(LetterTokenizer.AB)
                    .hasSize(200);
        }
    }

    /** The tokenizers library (0.23.1) refuses these too, but would not see them, because dpo4j sets them to null. */
    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
        "dropout": null | "dropout": {"a": 1} | dropout of its model is an object where null or a number from 0 to 1
        "dropout": null | "dropout": "0.1" | dropout of its model is a text where
        "dropout": null | "dropout": true | dropout of its model is true where
        "dropout": null | "dropout": [0.1] | dropout of its model is a list where
        "dropout": null | "dropout": -1 | dropout of its model is -1 where
        "dropout": null | "dropout": 1.5 | dropout of its model is 1.5 where
        {"version" | {"truncation": 5, "version" | truncation is neither an object nor null
        {"version" | {"truncation": {"a": 1}, "version" | truncation lacks max_length, strategy, stride
        {"version" | {"padding": "Fixed", "version" | padding is neither an object nor null
        {"version" | {"padding": {"strategy": "Fixed", "pad_id": 0}, "version" | padding lacks direction, pad_type_id, pad_token
        """)
    void settingsThatTheLibraryRefusesAreRefused(String before, String after, String message) {
        Path file = writeEdited(false, before, after);
        assertThatThrownBy(this::load)
                .isInstanceOf(Dpo4jException.class)
                .hasMessageStartingWith(file + ": " + message)
                .hasMessageEndingWith("; a tokenizer.json of the tokenizers library is expected");
    }

    /** WordLevel without an unknown token. */
    @Test
    void textWithoutTokensIsRefusedOrCounted() {
        TestData.write(directory, "tokenizer.json", """
            {"added_tokens": [], "normalizer": null, "pre_tokenizer": {"type": "WhitespaceSplit"},
             "post_processor": null, "decoder": null,
             "model": {"type": "WordLevel", "vocab": {"red": 0, "blue": 1, "end": 2}, "unk_token": "?"}}
            """);
        TestData.write(directory, "tokenizer_config.json", "{\"eos_token\": \"end\"}");
        Path data = data(pair("red", " blue", " red") + "\n" + pair("red", " green", " red"));
        try (Tokenizer tokenizer = load()) {
            assertThat(Dataset.pairs(data, new ReadOptions(tokenizer, 3, Truncation.NONE, OnBadRow.SKIP))
                            .report())
                    .hasToString("1 rows; skipped 1: text without tokens in the vocabulary 1");
            String message = "the tokenizer has no token for a part of the text";
            assertThatThrownBy(() -> Dataset.pairs(data, new ReadOptions(tokenizer, 3, Truncation.NONE, OnBadRow.STOP)))
                    .hasMessageStartingWith(data + " line 2: " + message + ", and none for unknown parts (");
            Path prompts = data("{\"prompt\":\"red\"}\n{\"prompt\":\"green\"}\n");
            assertThatThrownBy(() -> Prompt.read(prompts, tokenizer, 3))
                    .hasMessageContaining("rows.jsonl line 2: " + message);
            assertThatThrownBy(() -> Prompt.of("green", tokenizer)).hasMessageStartingWith(message);
        }
    }

    private Path data(String rows) {
        return TestData.write(directory, "rows.jsonl", rows);
    }

    private Dataset<PreferencePair> pairs(Path data) {
        return LetterTokenizer.pairs(data, false, OnBadRow.STOP);
    }

    /** BPE without an unknown token drops characters that it does not know. */
    @Test
    void aPromptOfUnknownCharactersIsRefused() {
        Path data = data(pair("xyz", "a", "c"));
        assertRefusedWith(
                () -> pairs(data),
                data + " line 1: the tokenizer drops every character of the prompt and adds no BOS token, so no"
                        + " token precedes the completion; change the prompt");
        try (Tokenizer tokenizer = LetterTokenizer.load(directory, false)) {
            assertRefusedWith(
                    () -> Prompt.of("xyz", tokenizer),
                    "the prompt has no characters that the tokenizer knows and the tokenizer adds no BOS token; give"
                            + " at least one token");
        }
    }

    /** The message does not call the answer empty, because it is not. */
    @Test
    void anAnswerOfUnknownCharactersIsRefused() {
        Path data = data(pair("ac", "xyz", "c"));
        assertRefusedWith(
                () -> pairs(data),
                data
                        + " line 1: a completion adds no token to the prompt: the tokenizer drops all of its characters, or"
                        + " merges them with the prompt's last token");
    }

    /** "a" and "b" together are one token. */
    @Test
    void aPromptThatMergesWithTheAnswerIsRefusedUnlessBosIsBeforeIt() {
        Path data = data(pair("a", "bc", "c"));
        assertRefusedWith(
                () -> pairs(data),
                data + " line 1: the tokenizer merges the whole prompt with the completion's first token, so no token"
                        + " precedes the completion; end the prompt where a token ends, for instance with a line break");
        assertThatThrownBy(() -> LetterTokenizer.pairs(data, false, OnBadRow.SKIP))
                .hasMessageContaining("skipped 1: prompt merges with the completion's first token 1");
        assertThat(LetterTokenizer.pairs(data, true, OnBadRow.STOP)
                        .rows()
                        .get(0)
                        .prompt())
                .containsExactly(LetterTokenizer.BOS);
    }

    /** EOS, then white space: the text has ended, and its ids stay as they are. */
    @ParameterizedTest
    @ValueSource(strings = {" ", "   ", "\n", "\t", "\r\n ", "\u00a0", "\u3000 ", "\u2028\u0085"})
    void noSecondEosIsAddedAfterWhiteSpace(String space) {
        String escaped = space.replace("\n", "\\n").replace("\t", "\\t").replace("\r", "\\r");
        PreferencePair pair = pairs(data(pair("a", "c</s>" + escaped, "d</s>c" + escaped)))
                .rows()
                .get(0);
        int spaces = (int) space.chars().filter(c -> c == ' ').count(); // the vocabulary has no other
        assertThat(pair.chosen()).startsWith(4, 1).hasSize(2 + spaces);
        assertThat(pair.rejected()).startsWith(5, 1, 4).endsWith(1).hasSize(4 + spaces);
    }

    @Test
    void noSecondEosIsAddedToSequencesAfterWhiteSpace() {
        Path data = data("{\"text\":\"ac</s> \"}\n{\"text\":\"ac </s>c \"}\n");
        assertThat(LetterTokenizer.sequences(data, false).rows())
                .extracting(Sequence::completion)
                .containsExactly(new int[] {4, 1, 8}, new int[] {4, 8, 1, 4, 8, 1});
    }
}
