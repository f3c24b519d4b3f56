package org.dpo4j.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.dpo4j.model.RefusalAssertions.assertRefused;
import static org.dpo4j.model.RefusalAssertions.assertRefusedWith;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.dpo4j.data.Shuffle;
import org.dpo4j.data.source.BadRow;
import org.dpo4j.data.source.RowSource;
import org.dpo4j.data.source.Rows;
import org.dpo4j.model.TestFiles;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;

/** Mixtures of data sets: against TRL's get_dataset, golden/mixture.py, and interleaved by weight. */
class DatasetListTest {
    private static final JsonNode GOLDEN = TestFiles.json(TestFiles.golden("mixture.json"));

    @TempDir
    Path directory;

    @BeforeEach
    void writeDataSets() throws IOException {
        for (var size : GOLDEN.get("sizes").properties()) {
            StringBuilder rows = new StringBuilder();
            for (int i = 0; i < size.getValue().asInt(); i++) {
                rows.append("{\"x\":\"" + size.getKey() + i + "\",\"y\":" + i + "}\n");
            }
            Path data = Files.createDirectory(directory.resolve(size.getKey()));
            TestFiles.write(data.resolve("train.jsonl"), rows.toString());
        }
    }

    /** Parses a list in which a path is relative to the directory. */
    private RowSource source(String json) {
        return source((ArrayNode) TestFiles.json(json));
    }

    private RowSource source(ArrayNode list) {
        for (JsonNode entry : list) {
            ((ObjectNode) entry).put("path", directory + "/" + entry.get("path").asText());
        }
        return DatasetList.parse(list.toString()).source(42);
    }

    private List<ObjectNode> rows(RowSource source) {
        List<ObjectNode> read = new ArrayList<>();
        try (Rows rows = source.open()) {
            for (Rows.Row row = rows.next(); row != null; row = rows.next()) {
                read.add(row.values());
                // the row's number leads back to its file and line
                String name = row.values().path("x").asText("??");
                assertThat(rows.place(row.number()))
                        .isEqualTo(directory.resolve(name.charAt(0) + "/train.jsonl") + " line "
                                + (Integer.parseInt(name.substring(1)) + 1));
            }
        } catch (BadRow bad) {
            throw new AssertionError(bad);
        }
        return read;
    }

    private List<String> names(RowSource source) {
        return rows(source).stream().map(row -> row.get("x").asText()).toList();
    }

    @TestFactory
    Stream<DynamicTest> mixturesAreThoseOfTrl() {
        return GOLDEN.get("cases").properties().stream()
                .map(entry -> DynamicTest.dynamicTest(entry.getKey(), () -> {
                    List<ObjectNode> read =
                            rows(source(entry.getValue().get("datasets").deepCopy()));
                    List<String> expected = new ArrayList<>();
                    entry.getValue().get("rows").forEach(name -> expected.add(name.asText()));
                    assertThat(read.stream().map(row -> row.get("x").asText())).isEqualTo(expected);
                    List<String> columns = new ArrayList<>();
                    entry.getValue().get("columns").forEach(name -> columns.add(name.asText()));
                    assertThat(read)
                            .allSatisfy(row ->
                                    assertThat(row.fieldNames()).toIterable().containsExactlyElementsOf(columns));
                }));
    }

    /** The definition: row i is of a if the i-th uniform number is below a's share; a's end ends all. */
    @Test
    void weightsInterleaveUntilOneDataSetEnds() {
        List<String> expected = new ArrayList<>();
        int[] next = new int[2];
        for (int i = 0; ; i++) {
            int part = Shuffle.uniform(42, i) < 0.75 ? 0 : 1;
            if (next[part] == (part == 0 ? 7 : 10)) {
                break;
            }
            expected.add((part == 0 ? "a" : "c") + next[part]++);
        }
        List<String> read = names(source("[{\"path\":\"a\",\"weight\":3},{\"path\":\"c\",\"weight\":1}]"));
        assertThat(read).isEqualTo(expected).doesNotHaveDuplicates().contains("a0", "c0");
    }

    @Test
    void uniformNumbersHaveTheirMeanAndVariance() {
        int count = 100_000;
        double sum = 0;
        double squares = 0;
        for (int i = 0; i < count; i++) {
            double u = Shuffle.uniform(7, i);
            sum += u;
            squares += (u - 0.5) * (u - 0.5);
        }
        // standard deviations of the means: sqrt(1/12/n) = 0.0009, sqrt(1/180/n) = 0.00024; five of each
        assertThat(sum / count).isBetween(0.4955, 0.5045);
        assertThat(squares / count).isBetween(1 / 12.0 - 0.0012, 1 / 12.0 + 0.0012);
    }

    @Test
    void eachDataSetHasItsOwnColumns() {
        RowSource source =
                source("[{\"path\":\"a\",\"column_map\":{\"prompt\":\"y\"}},{\"path\":\"b\",\"columns\":[\"x\"]}]");
        List<ObjectNode> read = rows(source);
        assertThat(read.get(0)).isEqualTo(TestFiles.json("{\"x\":\"a0\",\"prompt\":0}"));
        assertThat(read.get(7)).isEqualTo(TestFiles.json("{\"x\":\"b0\"}"));
    }

    /** Also if reading ends before the last row, as with fraction and weight. */
    @Test
    void aColumnThatNoRowOfADataSetHasIsNamed() {
        String map = "\"column_map\":{\"prompt\":\"z\"}";
        String message = "/a split train: column_map reads prompt from z, but no row has such a column; there are x, y."
                + " Correct the name, or leave it out of column_map";
        for (String share : List.of("", ",\"fraction\":1", ",\"weight\":1")) {
            RowSource source = source("[{\"path\":\"a\"," + map + share + "},{\"path\":\"b\"" + share + "}]");
            assertRefused(() -> rows(source), message);
        }
        assertRefused(
                () -> rows(source("[{\"path\":\"a\",\"columns\":[\"x\",\"z\"]}]")),
                "columns reads z, but no row has such a column; there are x, y.");
    }

    /** The share that has been read never decreases and ends at 1, whatever wraps the files. */
    @Test
    void progressAndNotesOfWrappedRows() throws IOException {
        Files.writeString(directory.resolve("a/notes.txt"), "none");
        String renamed = "\"column_map\":{\"prompt\":\"y\"}";
        for (String share : List.of("", ",\"fraction\":1", ",\"weight\":1")) {
            RowSource source = source("[{\"path\":\"a\"," + renamed + share + "},{\"path\":\"b\"" + share + "}]");
            assertThat(source.notes().toString()).contains("notes.txt");
            double last = 0;
            try (Rows rows = source.open()) {
                for (Rows.Row row = rows.next(); row != null; row = rows.next()) {
                    assertThat(rows.share()).isBetween(last, 1.0);
                    last = rows.share();
                }
                assertThat(rows.share()).isEqualTo(1);
            } catch (BadRow bad) {
                throw new AssertionError(bad);
            }
        }
    }

    @Test
    void filesOfASplit() {
        String files = "\"data_files\":{\"train\":\"b/*.jsonl\",\"test\":[\"c/train.jsonl\",\"a\"]}";
        assertThat(names(source("[{\"path\":\"\"," + files + "}]"))).hasSize(4);
        assertThat(names(source("[{\"path\":\"\",\"split\":\"test\"," + files + "}]")))
                .hasSize(17);
        assertRefused(
                () -> source("[{\"path\":\"\",\"split\":\"val\"," + files + "}]"),
                "data_files has the splits train, test, not val; give one of them as split");
        String pattern = directory + "/[ab]/train.jsonl";
        assertThat(names(DatasetList.parse("[{\"path\":\"json\",\"data_files\":\"" + pattern + "\"}]")
                        .source(1)))
                .hasSize(11);
    }

    @Test
    void theIdentityChangesWithShareSeedAndColumns() {
        String text =
                "[{\"path\":\"" + directory + "/a\",\"weight\":1},{\"path\":\"" + directory + "/b\",\"weight\":1}]";
        String identity = DatasetList.parse(text).source(1).identity();
        assertThat(DatasetList.parse(text).source(1).identity()).isEqualTo(identity);
        assertThat(DatasetList.parse(text).source(2).identity()).isNotEqualTo(identity);
        assertThat(DatasetList.parse(text.replace(":1}", ":2}")).source(1).identity())
                .isEqualTo(
                        DatasetList.parse(text.replace(":1}", ":2}")).source(1).identity())
                .isNotEqualTo(identity);
        assertThat(DatasetList.parse(text.replace(":1}", ":1,\"columns\":[\"x\"]}"))
                        .source(1)
                        .identity())
                .isNotEqualTo(identity);
    }

    @Test
    void faultsOfTheList() {
        assertRefusedWith(
                () -> DatasetList.parse("[{\"path\":\"a\",\"subset\":\"b\"}]"),
                "data set 1 has the unknown key subset; its keys are column_map, columns, data_dir, data_files,"
                        + " fraction, name, path, split, weight");
        assertRefused(() -> DatasetList.parse("[{\"path\":\"a\"},{\"name\":\"a\"}]"), "data set 2 has no path");
        assertRefused(() -> DatasetList.parse("[]"), "not a list with one data set at least");
        assertRefused(() -> DatasetList.parse("[\"a\"]"), "data set 1 is no mapping");
        assertRefused(
                () -> DatasetList.parse("[{\"path\":\"a\",\"weight\":1},{\"path\":\"b\"}]"),
                "weight is given for 1 of 2 data sets; give it for all of them or for none");
        assertRefused(() -> DatasetList.parse("[{\"path\":\"a\",\"weight\":0}]"), "weight is 0; it must be a number");
        assertRefused(
                () -> source("[{\"path\":\"a\",\"weight\":1,\"fraction\":1}]"),
                "both fraction and weight; leave one out");
        assertRefused(
                () -> DatasetList.parse("[{\"path\":\"-\",\"fraction\":1}]")
                        .source(1)
                        .open(),
                "standard input is a pipe, whose rows cannot be counted for fraction");
    }
}
