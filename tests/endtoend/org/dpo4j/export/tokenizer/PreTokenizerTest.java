package org.dpo4j.export.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;

import org.dpo4j.model.TestFiles;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Published tokenizers. The names are those that llama.cpp's converter finds by its hashes of their ids. */
class PreTokenizerTest {
    @ParameterizedTest
    @CsvSource({"gpt2, gpt-2", "qwen2.5, qwen2", "smollm2, smollm"})
    void publishedTokenizersHaveTheNamesOfTheConverter(String tokenizer, String name) {
        TokenizerJson json = TokenizerJson.read(TestFiles.real("tokenizers/" + tokenizer + "/tokenizer.json"));
        assertThat(PreTokenizer.name(json)).isEqualTo(name);
    }
}
