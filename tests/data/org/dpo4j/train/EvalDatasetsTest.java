package org.dpo4j.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.dpo4j.kernels.Dpo4jException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The value of {@code eval_dataset}. */
class EvalDatasetsTest {
    @TempDir
    private Path directory;

    private EvalDatasets parse(String text) {
        return EvalDatasets.parse(text, directory::resolve);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
        pairs.jsonl | =pairs.jsonl
        a,b.jsonl | =a,b.jsonl
        dir/a=b.jsonl | =dir/a=b.jsonl
        a=x.jsonl | a=x.jsonl
        a=x.jsonl,b.2=y/z,1.jsonl | a=x.jsonl;b.2=y/z,1.jsonl
        {"a": "x.jsonl", "b-c": ["y.jsonl", "z.jsonl"]} | a=x.jsonl;b-c=y.jsonl+z.jsonl
        """)
    void oneSetOrNamedSets(String text, String expected) {
        StringBuilder found = new StringBuilder();
        parse(text)
                .sets()
                .forEach((name, paths) -> found.append(found.isEmpty() ? "" : ";")
                        .append(name)
                        .append("=")
                        .append(String.join(
                                "+",
                                paths.stream()
                                        .map(path -> directory.relativize(path).toString())
                                        .toList())));
        assertThat(found).hasToString(expected);
    }

    /** A file whose name looks like a named set is that file. */
    @Test
    void anExistingFileIsOneSet() throws IOException {
        Path file = Files.createFile(directory.resolve("a=b.jsonl"));
        assertThat(parse("a=b.jsonl")).isEqualTo(EvalDatasets.unnamed(file));
        assertThat(parse("a=c.jsonl").sets()).containsEntry("a", List.of(directory.resolve("c.jsonl")));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
        a=x,a=y | the set a is given twice
        a= | the set a has an empty path
        {"a/b": "x"} | the name "a/b" is not 1 to 40 letters
        {"a": 1} | the set a is 1, neither a path nor a list of paths
        {"a": []} | the set a is [], neither a path nor a list of paths
        {} | a mapping without a set
        {"a" | not a JSON object
        """)
    void refusesByName(String text, String message) {
        assertThatThrownBy(() -> parse(text)).isInstanceOf(Dpo4jException.class).hasMessageContaining(message);
    }
}
