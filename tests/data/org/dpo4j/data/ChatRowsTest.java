package org.dpo4j.data;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.dpo4j.model.TestFiles;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Conversations rendered by a chat template, and plain text, against ids of TRL: golden/chat_rows.py. */
class ChatRowsTest {
    private static final JsonNode GOLDEN = GoldenTokenizers.read("chat_rows.json");

    @TempDir
    Path directory;

    static Stream<String> names() {
        return StreamSupport.stream(GOLDEN.spliterator(), false)
                .map(group -> group.get("name").textValue());
    }

    @ParameterizedTest
    @MethodSource("names")
    void idsAreThoseOfTrl(String name) {
        JsonNode group = StreamSupport.stream(GOLDEN.spliterator(), false)
                .filter(each -> each.get("name").textValue().equals(name))
                .findFirst()
                .orElseThrow();
        StringBuilder lines = new StringBuilder();
        for (JsonNode row : group.get("rows")) {
            ObjectNode text = row.deepCopy();
            text.remove(List.of("prompt_ids", "chosen_ids", "rejected_ids"));
            lines.append(text).append('\n');
        }
        Path file = TestData.write(directory, "rows.jsonl", lines.toString());
        try (Tokenizer tokenizer = GoldenTokenizers.load(
                directory, group.get("tokenizer").textValue(), group.get("eos").textValue())) {
            ReadOptions options = new ReadOptions(tokenizer, tokenizer.size(), Truncation.NONE, OnBadRow.STOP);
            List<PreferencePair> pairs = Dataset.pairs(file, options).rows();
            assertThat(pairs).hasSize(group.get("rows").size());
            for (PreferencePair pair : pairs) {
                JsonNode expected = group.get("rows").get(pair.row() - 1);
                assertThat(pair.prompt()).isEqualTo(TestFiles.ints(expected.get("prompt_ids")));
                assertThat(pair.chosen()).isEqualTo(TestFiles.ints(expected.get("chosen_ids")));
                assertThat(pair.rejected()).isEqualTo(TestFiles.ints(expected.get("rejected_ids")));
            }
        }
    }
}
