package org.dpo4j.data.source;

import static org.assertj.core.api.Assertions.assertThat;
import static org.dpo4j.model.RefusalAssertions.assertRefused;
import static org.dpo4j.model.RefusalAssertions.assertRefusedWith;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.dpo4j.data.source.DatasetRequest.Use;
import org.dpo4j.io.hub.HubServer;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Which files of a data set of the hub are downloaded: those that {@link RowSources} then reads. */
class HubDatasetTest {
    private static final String NAME = "owner/rows";

    @TempDir
    private Path directory;

    private final HubServer server = new HubServer("datasets/" + NAME);

    @AfterEach
    void stop() {
        server.close();
    }

    private void serve(String... names) {
        for (String name : names) {
            server.with(name, "{\"a\":\"" + name + "\"}\n");
        }
    }

    private static DatasetRequest request(@Nullable String config, @Nullable String split, String... files) {
        return new DatasetRequest(NAME, config, split, null, List.of(files), Use.TRAIN);
    }

    private void download(DatasetRequest request) {
        RowSources.download(request, server.open(directory));
    }

    /** The values of the rows that a request reads from the cache. */
    private String read(DatasetRequest request) {
        StringBuilder read = new StringBuilder();
        try (Rows rows = RowSources.find(request, server.environment(directory)).open()) {
            for (Rows.Row row = rows.next(); row != null; row = rows.next()) {
                read.append(row.values().get("a").asText()).append(' ');
            }
            return read.toString().strip();
        } catch (BadRow e) {
            throw new AssertionError(e);
        }
    }

    @Test
    void theFilesOfASplit() {
        serve("data/train-00000-of-00002.jsonl", "data/train-00001-of-00002.jsonl", "data/test-00000-of-00001.jsonl");
        serve("README.md", "load.py", "data/extra.jsonl", ".gitattributes", "picture.png");
        DatasetRequest train = request(null, null);
        assertRefused(() -> read(train), "owner/rows does not exist here, and the cache", "by adding --download");
        download(train);
        assertThat(server.fetched())
                .containsExactly("README.md", "data/train-00000-of-00002.jsonl", "data/train-00001-of-00002.jsonl");
        assertThat(read(train)).isEqualTo("data/train-00000-of-00002.jsonl data/train-00001-of-00002.jsonl");
        assertRefused(
                () -> read(request(null, "test")),
                "data set owner/rows in ",
                " is not complete: data/test-00000-of-00001.jsonl is missing; download it by adding --download");
        assertRefused(() -> read(request(null, "other")), " has the splits test, train, not other; give one of them");
        assertRefused(
                () -> download(request(null, "other")), " has the splits test, train, not other; give one of them");
        download(request(null, "test"));
        assertThat(read(request(null, "test"))).isEqualTo("data/test-00000-of-00001.jsonl");
        assertThat(read(train)).isEqualTo("data/train-00000-of-00002.jsonl data/train-00001-of-00002.jsonl");
    }

    @Test
    void theFilesOfAConfiguration() {
        serve("en/a.jsonl", "de/a.jsonl", "de/b.jsonl");
        server.with(
                "README.md",
                "---\nconfigs:\n- config_name: en\n  data_files: en/*.jsonl\n- config_name: de\n"
                        + "  default: true\n  data_dir: de\n---\n");
        download(request("en", null));
        assertThat(server.fetched()).containsExactly("README.md", "en/a.jsonl");
        assertThat(read(request("en", null))).isEqualTo("en/a.jsonl");
        download(request(null, null));
        assertThat(read(request(null, null))).isEqualTo("de/a.jsonl de/b.jsonl");
        assertRefused(() -> download(request("fr", null)), "has the configurations en, de, not fr; give one of them");
    }

    @Test
    void filesByAPattern() {
        serve("a-1.jsonl", "a-2.jsonl", "b-1.jsonl");
        download(request(null, null, "a-*.jsonl"));
        assertThat(server.fetched()).containsExactly("a-1.jsonl", "a-2.jsonl");
        assertThat(read(request(null, null, "a-*.jsonl"))).isEqualTo("a-1.jsonl a-2.jsonl");
        assertRefused(() -> download(request(null, null, "c-*")), "matches c-*; correct the pattern");
    }

    @Test
    void filesThatHoldNoRowsAreNotDownloaded() {
        serve("rows.csv", "rows.py", "rows.pkl");
        assertRefusedWith(
                () -> download(request(null, null)),
                "data set owner/rows holds no rows in JSON or Parquet, but rows.csv, rows.pkl, rows.py; give another data"
                        + " set");
        assertThat(server.fetched()).isEmpty();
    }

    @Test
    void pathsAreNotDownloaded() throws IOException {
        Path file = Files.writeString(directory.resolve("rows.jsonl"), "{\"a\":\"x\"}\n");
        for (String path : List.of(file.toString(), directory.toString(), "-", "absent.jsonl", "a/*.jsonl", "a/b/c")) {
            download(DatasetRequest.named(path, Use.TRAIN));
        }
        assertThat(server.fetched()).isEmpty();
    }
}
