package org.dpo4j.data;

import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import org.dpo4j.kernels.Dpo4jException;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Files of a tokenizer that hold something else: the error says what they are. */
class ForeignTokenizerTest {
    @TempDir
    Path directory;

    @BeforeEach
    void write() {
        LetterTokenizer.write(directory, true);
    }

    private void refused(String name, String content, String message) {
        Path file = TestData.write(directory, name, content);
        assertThatThrownBy(() -> Tokenizer.load(directory, LetterTokenizer.SIZE))
                .isInstanceOf(Dpo4jException.class)
                .hasMessageStartingWith(file + message);
    }

    @ParameterizedTest
    @ValueSource(strings = {"tokenizer.json", "tokenizer_config.json"})
    void otherFormats(String name) {
        refused(
                name,
                "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n",
                " is a Git LFS pointer, not the file itself; run git lfs pull where it was cloned");
        refused(name, "<!doctype html>\n<html></html>", " is a web page; download the file itself");
        refused(name, "{\n<<<<<<< HEAD\n", " is a file with git's merge conflict markers; keep one version");
        refused(name, "", " is empty; download it again");
        refused(name, " \n", " is empty; download it again");
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
        tokenizer.json | {"model": {"vocab": {"a": }}} | } stands where a value is expected at line 1 column 27
        tokenizer_config.json | {"eos_token": '</s>'} | ' stands where JSON has " at line 1 column 15
        """)
    void malformedJson(String name, String content, String reason) {
        refused(name, content, " is not valid JSON: " + reason);
    }

    /** Each begins with a JSON value, which is not all that the file holds, or is no object. */
    @Test
    void specialTokensThatAreNoObjectAreRefused() {
        String name = "tokenizer_config.json";
        refused(name, "", " is empty; download it again");
        refused(name, "null", " does not hold a JSON object; download it again");
        refused(name, "[{\"eos_token\": \"</s>\"}]", " does not hold a JSON object; download it again");
        refused(name, "\"prompt\",\"chosen\"\n\"a\",\"b\"\n", " is a CSV file; download it again");
        refused(
                name,
                "{\"eos_token\": \"</s>\"}\n{\"eos_token\": null}\n",
                " is not valid JSON: more follows after its end at line 2 column 1; download it again");
    }
}
