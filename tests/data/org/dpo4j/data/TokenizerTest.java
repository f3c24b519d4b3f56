package org.dpo4j.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.dpo4j.model.RefusalAssertions.assertRefused;
import static org.dpo4j.model.RefusalAssertions.assertRefusedWith;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import org.dpo4j.model.TestFiles;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Tests a small tokenizer by hand, and published tokenizers against ids of other programs. */
class TokenizerTest {
    @TempDir
    Path directory;

    @Test
    void textToIdsAndBack() {
        try (Tokenizer tokenizer = LetterTokenizer.load(directory, true)) {
            assertThat(tokenizer.encode("cab d")).containsExactly(4, 9, 8, 5);
            assertThat(tokenizer.encodeStart("c")).containsExactly(0, 4);
            assertThat(tokenizer.encodeStart("<s>c")).containsExactly(0, 4);
            assertThat(tokenizer.encode("")).isEmpty();
            assertThat(tokenizer.decode(new int[] {0, 4, 9, 8, 5, 1})).isEqualTo("cab d");
            assertThat(tokenizer.bosTokenId()).isEqualTo(0);
            assertThat(tokenizer.eosTokenId()).isEqualTo(1);
        }
    }

    /** The file truncates to 4 tokens, and the binding would truncate to 512. */
    @Test
    void longTextsStayWhole() {
        try (Tokenizer tokenizer = LetterTokenizer.load(directory, false)) {
            assertThat(tokenizer.encode("c".repeat(2000))).hasSize(2000);
        }
    }

    @Test
    void bosIsAddedOnlyIfTheTokenizerAddsIt() {
        try (Tokenizer tokenizer = LetterTokenizer.load(directory, false)) {
            assertThat(tokenizer.encodeStart("c")).containsExactly(4);
        }
    }

    @Test
    void eosComesFromOtherFilesIfTheTokenizerNamesNone() {
        LetterTokenizer.write(directory, true);
        TestData.write(directory, "tokenizer_config.json", "{\"eos_token\": null}");
        assertThat(eos()).isNull();
        TestData.write(directory, "generation_config.json", "{\"eos_token_id\": [7, 1]}");
        assertThat(eos()).isEqualTo(7);
        TestData.write(directory, "config.json", "{\"eos_token_id\": 6}");
        assertThat(eos()).isEqualTo(6);
        TestData.write(directory, "special_tokens_map.json", "{\"eos_token\": \"f\"}");
        assertThat(eos()).isEqualTo(7);
    }

    private @Nullable Integer eos() {
        try (Tokenizer tokenizer = Tokenizer.load(directory, LetterTokenizer.SIZE)) {
            return tokenizer.eosTokenId();
        }
    }

    @Test
    void aTokenizerLargerThanTheModelIsRefused() {
        Path file = LetterTokenizer.write(directory, true).resolve("tokenizer.json");
        assertRefusedWith(
                () -> Tokenizer.load(directory, 9),
                file + " has token ids up to 9, 10 in all, but the model's vocabulary has 9; use the tokenizer the"
                        + " model was trained with, or give the model a row for each token (resize_token_embeddings in"
                        + " transformers)");
        try (Tokenizer smaller = Tokenizer.load(directory, 11)) { // models round the rows of their embedding up
            assertThat(smaller.encode("c")).containsExactly(4);
            assertThat(smaller.size()).isEqualTo(10);
        }
    }

    @Test
    void aDirectoryWithoutTokenizerIsRefused() {
        assertThat(Tokenizer.find(directory, 10)).isNull();
        assertRefusedWith(
                () -> Tokenizer.load(directory, 10),
                directory.resolve("tokenizer.json") + " does not exist; add it, or give token ids instead of text");
    }

    @Test
    void aTokenizerWithoutVocabularyIsRefused() {
        Path file = TestData.write(directory, "tokenizer.json", "{}");
        assertRefused(() -> Tokenizer.load(directory, 10), file + " has no vocabulary");
    }

    @Test
    void anEosThatIsNotInTheVocabularyIsRefused() {
        LetterTokenizer.write(directory, true);
        Path file = TestData.write(directory, "tokenizer_config.json", "{\"eos_token\": \"<|end|>\"}");
        assertRefusedWith(
                () -> Tokenizer.load(directory, 10),
                file
                        + ": eos_token is \"<|end|>\", which tokenizer.json does not know; use the two files of one model");
    }

    /** The golden ids of prompts begin with BOS. Those of completions are ids of their text alone, without EOS. */
    @ParameterizedTest
    @CsvSource({
        "models/TinyStories-656K, models/TinyStories-656K/golden.json, 2048",
        "models/stories260K/hf, models/stories260K/golden.json, 512"
    })
    void publishedModels(String model, String golden, int vocabulary) {
        JsonNode expected = TestFiles.json(TestFiles.real(golden));
        try (Tokenizer tokenizer = Tokenizer.load(TestFiles.real(model), vocabulary)) {
            assertThat(tokenizer.bosTokenId()).isEqualTo(1);
            assertThat(tokenizer.eosTokenId()).isEqualTo(2);
            for (JsonNode text : expected.get("texts")) {
                assertThat(tokenizer.encodeStart(text.get("text").textValue()))
                        .isEqualTo(TestFiles.ints(text.get("ids")));
            }
            assertThat(expected.get("pairs")).hasSize(8);
            for (JsonNode pair : expected.get("pairs")) {
                assertThat(tokenizer.encodeStart(pair.get("prompt").textValue()))
                        .isEqualTo(TestFiles.ints(pair.get("prompt_ids")));
                assertThat(tokenizer.encode(pair.get("chosen").textValue()))
                        .isEqualTo(TestFiles.ints(pair.get("chosen_ids")));
                assertThat(tokenizer.encode(pair.get("rejected").textValue()))
                        .isEqualTo(TestFiles.ints(pair.get("rejected_ids")));
            }
        }
    }

    @ParameterizedTest
    @CsvSource({"gpt2, llama.cpp-gpt-2.json, 50257", "qwen2.5, llama.cpp-qwen2.json, 151665"})
    void publishedTokenizers(String name, String vectors, int vocabulary) {
        JsonNode expected = TestFiles.json(TestFiles.real("tokenizers/vectors/" + vectors));
        assertThat(expected).hasSize(46);
        try (Tokenizer tokenizer = Tokenizer.load(TestFiles.real("tokenizers/" + name), vocabulary)) {
            for (JsonNode vector : expected) {
                String text = vector.get("text").textValue();
                assertThat(tokenizer.encode(text)).as(text).isEqualTo(TestFiles.ints(vector.get("ids")));
            }
        }
    }
}
