package org.dpo4j.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.dpo4j.data.TestData.ids;
import static org.dpo4j.data.TestData.pair;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.dpo4j.data.source.BadRow;
import org.dpo4j.data.source.RowSources;
import org.dpo4j.model.TestFiles;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** rejected_rows.jsonl: every row that is left out, with its place, its reason and what it says. */
class RejectedRowsTest {
    @TempDir
    Path directory;

    private List<JsonNode> rejected() {
        return TestFiles.read(directory.resolve("rejected_rows.jsonl"))
                .lines()
                .map(TestFiles::json)
                .toList();
    }

    @Test
    void rowsThatAreLeftOutAreWritten() {
        Path file = TestData.write(
                directory,
                "some rows.jsonl",
                String.join(
                        "\n",
                        pair("c", "d", "e"),
                        pair("c", "d", ""),
                        "{\"prompt\": \"c\", ",
                        "[1, 2]",
                        pair("cccccccc", "d", "e"),
                        pair("c", "d", "e")));
        try (Tokenizer tokenizer = LetterTokenizer.load(directory, true);
                RejectedRows rejected = new RejectedRows(directory.resolve("rejected_rows.jsonl"))) {
            ReadOptions options = LetterTokenizer.options(
                    tokenizer,
                    Truncation.to(6, TruncationMode.KEEP_START),
                    new RepeatOptions(true, false),
                    OnBadRow.SKIP,
                    rejected);
            assertThat(Dataset.pairs(file, options).rows()).hasSize(1);
            assertThat(directory.resolve("rejected_rows.jsonl")).doesNotExist(); // not before it is complete
        }
        List<JsonNode> rows = rejected();
        assertThat(rows).extracting(row -> row.get("row").intValue()).containsExactly(2, 3, 4, 5, 6);
        assertThat(rows).allMatch(row -> row.get("file").textValue().equals(file.toString()));
        assertThat(rows)
                .extracting(row -> row.get("reason").textValue())
                .containsExactly(
                        "empty completion",
                        "malformed JSON",
                        "malformed JSON",
                        "prompt fills max_length",
                        "same as an earlier row");
        assertThat(rows.get(0).get("message").textValue()).isEqualTo("rejected is empty");
        assertThat(rows.get(0).get("content")).isEqualTo(TestFiles.json(pair("c", "d", "")));
        assertThat(rows.get(1).get("content").textValue()).isEqualTo("{\"prompt\": \"c\", ");
        assertThat(rows.get(2).get("content").textValue()).isEqualTo("[1,2]");
    }

    /** The second run does not read the rows, but has the same pairs, table and rejected rows. */
    @Test
    void storedRowsKeepTheirRejectedRows() {
        Path file = TestData.write(
                directory,
                "rows.jsonl",
                String.join(
                        "\n",
                        ids("[2]", "[3]", "[4,5]"),
                        ids("[2]", "[3]", "[6]"),
                        ids("[2]", "[3]", "[3]"),
                        ids("[2]", "[4,5]", "[3]"),
                        ids("[2]", "[7]", "[5]"),
                        "no JSON"));
        List<String> written = new ArrayList<>();
        List<String> tables = new ArrayList<>();
        List<String> stored = new ArrayList<>();
        for (int run = 0; run < 2; run++) {
            Path out = directory.resolve("rejected_rows.jsonl");
            try (RejectedRows rejected = new RejectedRows(out)) {
                Dataset<PreferencePair> pairs = Dataset.pairs(
                        RowSources.named(file),
                        LetterTokenizer.options(
                                null, Truncation.NONE, new RepeatOptions(true, true), OnBadRow.SKIP, rejected),
                        new DatasetCache(directory.resolve("cache"), true),
                        new ReadListener() {
                            @Override
                            public void converted(long rows, double share) {}

                            @Override
                            public void stored(String line) {
                                stored.add(line);
                            }
                        });
                assertThat(pairs.rows()).extracting(PreferencePair::row).containsExactly(2, 5);
                assertThat(pairs.rows().get(1).chosen()).containsExactly(7);
                tables.add(pairs.report().table().toString());
            }
            written.add(TestFiles.read(out));
        }
        assertThat(stored.get(1)).contains("written by an earlier run");
        assertThat(written.get(0).lines()).hasSize(3);
        assertThat(written.get(1)).isEqualTo(written.get(0));
        assertThat(tables.get(1)).isEqualTo(tables.get(0)).contains("contradicts another row 2");
    }

    @Test
    void withoutSuchRowsThereIsNoFile() {
        Path file = TestData.write(directory, "rejected_rows.jsonl", "of an earlier run");
        new RejectedRows(file).close();
        assertThat(directory).isEmptyDirectory();
    }

    @Test
    void theFileIsBounded() {
        try (RejectedRows rejected = new RejectedRows(directory.resolve("rejected_rows.jsonl"), 300)) {
            for (int row = 1; row <= 10; row++) {
                rejected.add("a.jsonl line " + row, null, BadRow.malformed("malformed JSON", "x".repeat(20)));
            }
        }
        List<JsonNode> rows = rejected();
        assertThat(rows).hasSize(3); // a line has about 120 bytes
        assertThat(rows.get(2)).isEqualTo(TestFiles.json("{\"not_written\": 8}"));
    }
}
