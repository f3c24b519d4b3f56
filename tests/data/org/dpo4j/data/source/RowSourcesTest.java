package org.dpo4j.data.source;

import static org.assertj.core.api.Assertions.assertThat;
import static org.dpo4j.model.RefusalAssertions.assertRefused;
import static org.dpo4j.model.RefusalAssertions.assertRefusedWith;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import java.util.zip.GZIPOutputStream;
import org.dpo4j.data.source.DatasetRequest.Use;
import org.dpo4j.model.TestFiles;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;

/** What users name as rows: directories, splits, patterns, and data sets in the cache of the hub. */
class RowSourcesTest {
    private static final JsonNode GOLDEN = TestFiles.json(TestFiles.golden("dataset_files.json"));

    @TempDir
    Path directory;

    private Map<String, String> environment = Map.of("HOME", "/nowhere");

    private RowSource find(
            String path, @Nullable String config, @Nullable String split, @Nullable String dataDir, String... files) {
        return RowSources.find(
                new DatasetRequest(path, config, split, dataDir, List.of(files), Use.TRAIN), environment);
    }

    private RowSource find(@Nullable String split) {
        return find(directory.toString(), null, split, null);
    }

    /** Each row as {@code place: value of a}, with places relative to the directory. */
    private List<String> read(RowSource source) {
        List<String> read = new ArrayList<>();
        try (Rows rows = source.open()) {
            for (boolean hasMore = true; hasMore; ) {
                try {
                    Rows.Row row = rows.next();
                    hasMore = row != null;
                    if (row != null) {
                        read.add(rows.place(row.number()) + ": "
                                + row.values().get("a").asText());
                    }
                } catch (BadRow bad) {
                    read.add(rows.place(rows.number()) + " bad");
                }
            }
        }
        return read.stream().map(line -> line.replace(directory + "/", "")).toList();
    }

    private Path write(String name, String content) {
        return write(name, content.getBytes(StandardCharsets.UTF_8));
    }

    private Path write(String name, byte[] content) {
        Path file = directory.resolve(name);
        try {
            Files.createDirectories(file.getParent());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return TestFiles.write(file, content);
    }

    private static String row(int value) {
        return "{\"a\":" + value + "}\n";
    }

    @TestFactory
    Stream<DynamicTest> filesOfSplitsAreThoseOfDatasets() {
        return GOLDEN.get("patterns").properties().stream()
                .map(entry -> DynamicTest.dynamicTest(entry.getKey(), () -> {
                    Path root = directory.resolve(entry.getKey());
                    for (JsonNode file : entry.getValue().get("files")) {
                        write(entry.getKey() + "/" + file.asText(), row(1));
                    }
                    List<String> names = RowDirectory.list(root).names();
                    assertThat(sorted(SplitFiles.find(names, null)))
                            .isEqualTo(splits(entry.getValue().get("splits")));
                }));
    }

    private static Map<String, List<String>> splits(JsonNode golden) {
        Map<String, List<String>> splits = new LinkedHashMap<>();
        golden.properties().forEach(split -> {
            List<String> files = new ArrayList<>();
            split.getValue().forEach(file -> files.add(file.asText()));
            splits.put(split.getKey(), files);
        });
        return splits;
    }

    private static Map<String, List<String>> sorted(Map<String, List<String>> splits) {
        Map<String, List<String>> all = new LinkedHashMap<>();
        splits.forEach((split, files) -> all.put(split, files.stream().sorted().toList()));
        return all;
    }

    @TestFactory
    Stream<DynamicTest> configurationsOfTheReadmeAreThoseOfDatasets() {
        return GOLDEN.get("cards").properties().stream()
                .map(entry -> DynamicTest.dynamicTest(entry.getKey(), () -> {
                    JsonNode golden = entry.getValue();
                    Path root = directory.resolve(entry.getKey());
                    golden.get("files").forEach(file -> write(entry.getKey() + "/" + file.asText(), row(1)));
                    write(
                            entry.getKey() + "/README.md",
                            "---\n" + golden.get("card").asText() + "---\n# A data set\n");
                    golden.get("configs")
                            .properties()
                            .forEach(config -> splits(config.getValue()).forEach((split, files) -> {
                                assertThat(names(find(root.toString(), config.getKey(), split, null), root))
                                        .isEqualTo(files);
                                if (config.getKey().equals(golden.get("default").asText())) {
                                    assertThat(names(find(root.toString(), null, split, null), root))
                                            .isEqualTo(files);
                                }
                            }));
                }));
    }

    private static List<String> names(RowSource source, Path root) {
        return source.files().stream()
                .map(file -> root.relativize(file.path()).toString())
                .toList();
    }

    @Test
    void shardsAreReadInTheOrderOfTheirNumbers() {
        write("part-2.jsonl", row(2) + "\n" + row(3));
        write("part-10.jsonl", row(4) + "oops\n" + row(6));
        write("part-1.json", "[" + row(0) + "," + row(1) + "]");
        assertThat(read(find(null)))
                .containsExactly(
                        "part-1.json row 1: 0",
                        "part-1.json row 2: 1",
                        "part-2.jsonl line 1: 2",
                        "part-2.jsonl line 3: 3",
                        "part-10.jsonl line 1: 4",
                        "part-10.jsonl line 2 bad",
                        "part-10.jsonl line 3: 6");
    }

    @Test
    void numbersOfRowsContinueAndPlacesRemainWhenTheFileIsClosed() throws BadRow {
        write("a.jsonl", row(1) + row(2));
        write("b.jsonl", row(3));
        try (Rows rows = find(null).open()) {
            List<Integer> numbers = new ArrayList<>();
            for (Rows.Row row = rows.next(); row != null; row = rows.next()) {
                numbers.add(row.number());
            }
            assertThat(numbers).containsExactly(1, 2, 3);
            assertThat(rows.place(2)).endsWith("a.jsonl line 2");
            assertThat(rows.place(3)).endsWith("b.jsonl line 1");
        }
    }

    @Test
    void filesThatHoldNoRowsAreNamedNotRead() {
        write("train.jsonl", row(1));
        write("test.jsonl", row(2));
        write("README.md", "# about");
        write("LICENSE", "a licence, and more");
        write(".gitattributes", "x");
        write("_SUCCESS", "");
        write("train.txt", "notes about the rows");
        RowSource source = find(null);
        assertThat(read(source)).containsExactly("train.jsonl line 1: 1");
        assertThat(source.notes())
                .containsExactly("of split train, so not read: test.jsonl", "without rows, so not read: train.txt");
        assertThat(source.name()).isEqualTo(directory + " split train");
        assertThat(read(find("test"))).containsExactly("test.jsonl line 1: 2");
    }

    @Test
    void aSplitIsFoundByItsOwnName() {
        write("train_prefs.jsonl", row(1));
        write("test_prefs.jsonl", row(2));
        assertThat(read(find("test_prefs"))).containsExactly("test_prefs.jsonl line 1: 2");
        assertRefusedWith(
                () -> find("absent"),
                directory + " has the splits train, test, not absent; give one of them as dataset_train_split");
        assertRefused(() -> find("train[:10%]"), "not train[:10%] (parts and sums of splits are not supported)");
    }

    @Test
    void evaluationTakesTheTestSplitOrTheOnlyOne() {
        DatasetRequest request = DatasetRequest.named(directory.toString(), Use.EVAL);
        write("rows.jsonl", row(1));
        assertThat(read(RowSources.find(request))).containsExactly("rows.jsonl line 1: 1");
        write("test.jsonl", row(2));
        assertThat(read(RowSources.find(request))).containsExactly("test.jsonl line 1: 2");
    }

    @Test
    void onlyADirectoryOfTheDataSet() {
        write("en/a.jsonl", row(1));
        write("de/a.jsonl", row(2));
        assertThat(read(find(directory.toString(), null, null, "de"))).containsExactly("de/a.jsonl line 1: 2");
        assertRefused(() -> find(directory.toString(), null, null, "fr"), "has no directory fr; correct data_dir");
        assertRefused(
                () -> find(directory.toString(), "fr", null, null),
                "has no configurations, not fr; leave it out as dataset_config");
    }

    @Test
    void patternsOfFiles() {
        write("data/part-1.jsonl", row(1));
        write("data/part-2.jsonl", row(2));
        write("data/more/part-3.jsonl", row(3));
        assertThat(read(find(directory + "/data/*-[12].jsonl", null, null, null)))
                .hasSize(2);
        assertThat(read(find(directory + "/**/part-?.jsonl", null, null, null))).hasSize(3);
        assertThat(read(find(directory.toString(), null, null, null, "data/more", "data/part-1.jsonl")))
                .containsExactly("data/more/part-3.jsonl line 1: 3", "data/part-1.jsonl line 1: 1");
        assertRefused(
                () -> find(directory + "/data/x*", null, null, null), "no file of " + directory + "/data matches x*");
    }

    @Test
    void filesOfSeveralKindsAreRefused() {
        write("a.jsonl", row(1));
        write("b.csv", "prompt,chosen\na,b\n");
        assertRefused(
                () -> find(null), directory + " has files of several kinds: a.jsonl (JSON), b.csv (a CSV file); give");
        write("b.csv", "PAR1");
        assertRefused(() -> find(null), "a.jsonl (JSON), b.csv (Parquet); give a directory with one kind");
    }

    @Test
    void aDirectoryOfAnotherFormatSaysHowToConvertIt() {
        Path csv = write("csv/rows.csv", "prompt,chosen\na,b\n");
        assertRefused(() -> find(directory + "/csv", null, null, null), csv + " is a CSV file; write it as JSONL");
        Path pointer = write("lfs/train.jsonl", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n");
        assertRefused(() -> find(directory + "/lfs", null, null, null), pointer + " is a Git LFS pointer");
        Path page = write("html/train.jsonl", "<!DOCTYPE html><html>");
        assertRefused(() -> find(directory + "/html", null, null, null), page + " is a web page");
    }

    /** The files that datasets' save_to_disk writes beside its Arrow files. */
    @Test
    void aSavedDatasetIsNamed() {
        write("dataset_info.json", "{}");
        write("state.json", "{}");
        assertRefused(
                () -> find(null),
                "write it as JSONL first, in Python: datasets.load_from_disk(\"" + directory
                        + "\").to_json(\"rows.jsonl\")");
        write("dataset_dict.json", "{}");
        assertRefused(() -> find(null), "(\"" + directory + "\")[\"train\"].to_json");
    }

    @Test
    void directoriesWithoutRows() throws IOException {
        assertRefused(() -> find(null), directory + " holds no rows: it has no file but hidden ones");
        write("notes.txt", "text about nothing");
        assertRefused(() -> find(null), directory + " holds no rows: notes.txt is neither JSON nor Parquet");
        Files.delete(write("notes.txt", ""));
        Files.createSymbolicLink(directory.resolve("a.jsonl"), Path.of("gone.jsonl"));
        assertRefused(() -> find(null), "a.jsonl is a link to a file that does not exist");
        Files.delete(directory.resolve("a.jsonl"));
        TestFiles.pipe(directory.resolve("a.jsonl"));
        assertRefused(() -> find(null), "a.jsonl is no regular file");
    }

    @Test
    void aMissingShardIsNamed() {
        write("train-00000-of-00003.jsonl", row(1));
        write("train-00002-of-00003.jsonl", row(1));
        assertRefused(() -> find(null), "has 2 of 3 shards: train-00001-of-00003 is missing; download");
        write("train-00001-of-00003.jsonl", row(1));
        assertThat(read(find(null))).hasSize(3);
        write("train-00001-of-00003-ab.jsonl", row(1));
        assertRefused(() -> find(null), "the same shard twice: train-00001-of-00003");
    }

    @Test
    void aShardOfZeroBytesHasNoRows() {
        write("part-0.jsonl", "");
        write("part-1.jsonl", row(1));
        RowSource source = find(null);
        assertThat(read(source)).containsExactly("part-1.jsonl line 1: 1");
        assertThat(source.notes()).containsExactly("without rows, so not read: part-0.jsonl");
    }

    @Test
    void anObjectOfSplits() {
        Path file = write("rows.json", "{\n \"train\": [" + row(1) + "],\n \"test\": [" + row(2) + "," + row(3) + "]}");
        assertThat(read(find(file.toString(), null, null, null))).containsExactly("rows.json split train row 1: 1");
        assertThat(read(find(file.toString(), null, "test", null)))
                .containsExactly("rows.json split test row 1: 2", "rows.json split test row 2: 3");
        assertRefused(
                () -> read(find(file.toString(), null, "val", null)),
                "rows.json split val does not exist: the file is an object with train, test; ask for one");
        Path cut = write("cut.json", "{\"train\": [" + row(1));
        assertRefused(() -> read(find(cut.toString(), null, null, null)), "cut.json split train row 2 is malformed");
    }

    @Test
    void aFileOfRowsHasNoOtherSplit() {
        Path file = write("rows.jsonl", row(1));
        assertThat(read(find(file.toString(), null, "train", null))).hasSize(1);
        assertRefused(
                () -> read(find(file.toString(), null, "test", null)),
                "rows.jsonl is one file of rows, without a split test; give the file of that split");
        assertRefused(
                () -> find(file.toString(), "en", null, null), "is one file, without dataset_config; leave it out");
    }

    @Test
    void theIdentityChangesWithFilesAndSplit() throws IOException {
        Path file = write("train.jsonl", row(1));
        write("test.jsonl", row(1));
        String before = find(null).identity();
        assertThat(find(null).identity()).isEqualTo(before);
        assertThat(find("test").identity()).isNotEqualTo(before);
        write("train.jsonl", row(1) + row(2));
        assertThat(find(null).identity()).isNotEqualTo(before);
        assertThat(find(null).files()).singleElement().satisfies(one -> {
            assertThat(one.path()).isEqualTo(file);
            assertThat(one.bytes()).isEqualTo(Files.size(file));
        });
        assertThat(find("-", null, null, null).identity()).isNull();
        assertThat(find(TestFiles.pipe(directory.resolve("pipe")).toString(), null, null, null)
                        .identity())
                .isNull();
    }

    /** The layout of huggingface_hub: files are links to blobs, named by their hash. */
    private Path cached(String repository) throws IOException {
        Path snapshot = directory.resolve(repository + "/snapshots/abc");
        write(repository + "/refs/main", "abc");
        write(repository + "/blobs/0123", row(1));
        Files.createDirectories(snapshot.resolve("data"));
        Files.createSymbolicLink(snapshot.resolve("data/train-00000-of-00001.jsonl"), Path.of("../../../blobs/0123"));
        return snapshot;
    }

    @Test
    void aDataSetInTheCacheOfTheHub() throws IOException {
        Path snapshot = cached("hub/datasets--owner--name");
        for (Map<String, String> variables : List.of(
                Map.of("HF_HOME", directory.toString()),
                Map.of("HF_HUB_CACHE", directory + "/hub", "HF_HOME", "/nowhere"),
                Map.of("HUGGINGFACE_HUB_CACHE", directory + "/hub"))) {
            environment = variables;
            RowSource source = find("owner/name", null, null, null);
            assertThat(read(source))
                    .containsExactly(
                            "hub/datasets--owner--name/snapshots/abc/data/train-00000-of-00001.jsonl line 1: 1");
            assertThat(source.notes()).contains("owner/name is read from " + snapshot);
        }
        assertRefusedWith(
                () -> find("owner/other", null, null, null),
                "owner/other does not exist here, and the cache of the Hugging Face hub in " + directory
                        + "/hub has no data set of that name; download it by adding --download to the command, or with: hf"
                        + " download owner/other --repo-type dataset, or give a file or directory");
        assertRefused(
                () -> find("owner/name", null, "validation", null),
                "data set owner/name in " + snapshot + " has the split train, not validation");
        Files.delete(directory.resolve("hub/datasets--owner--name/refs/main"));
        assertRefused(
                () -> find("owner/name", null, null, null),
                "is not complete: it has no revision main (other revisions, or a download that was stopped, are in "
                        + snapshot
                        + "); download it by adding --download to the command, or with: hf download owner/name"
                        + " --repo-type dataset");
    }

    @Test
    void theDefaultPlaceOfTheCache() throws IOException {
        cached("home/.cache/huggingface/hub/datasets--name");
        environment = Map.of("HOME", directory + "/home");
        assertThat(read(find("name", null, null, null))).hasSize(1);
        environment = Map.of("HOME", "/nowhere", "XDG_CACHE_HOME", directory + "/home/.cache");
        assertThat(read(find("name", null, null, null))).hasSize(1);
    }

    @Test
    void zippedShards() throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (GZIPOutputStream out = new GZIPOutputStream(bytes)) {
            out.write(row(1).getBytes(StandardCharsets.UTF_8));
        }
        write("a.jsonl.gz", bytes.toByteArray());
        write("b.jsonl", row(2));
        assertThat(read(find(null))).containsExactly("a.jsonl.gz line 1: 1", "b.jsonl line 1: 2");
    }
}
