package org.dpo4j.io.hub;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.dpo4j.model.RefusalAssertions.assertRefused;
import static org.dpo4j.model.RefusalAssertions.assertRefusedWith;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.concurrent.CancellationException;
import java.util.stream.Stream;
import org.dpo4j.model.TestFiles;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What a download leaves on the disk, also if the connection is cut, the content is wrong or the disk is full. */
class HubTest extends HubFixture {

    /**
     * The layout that huggingface_hub's snapshot_download leaves for the same files. Its list of files is in another
     * directory here; locks are not compared.
     */
    @Test
    void theCacheIsThatOfHuggingfaceHub() throws IOException {
        JsonNode golden = TestFiles.json(TestFiles.golden("hub_cache.json"));
        try (HubServer other = new HubServer("models/" + golden.get("name").asText())) {
            golden.get("files")
                    .properties()
                    .forEach(file -> other.with(file.getKey(), file.getValue().asText()));
            other.fault(
                    "/tree/",
                    exchange ->
                            HubServer.send(exchange, 200, golden.get("listing").toString()));
            environment.put("HF_ENDPOINT", other.address());
            download(new HubRepository(
                    RepositoryKind.MODEL,
                    golden.get("name").asText(),
                    golden.get("revision").asText()));
            assertThat(other.requests().get(0).path()).isEqualTo("/api/models/owner/tiny/revision/refs%2Fpr%2F1");
        }
        assertThat(layout()).isEqualTo(golden.get("cache"));
    }

    private JsonNode layout() throws IOException {
        ObjectNode layout = JsonNodeFactory.instance.objectNode();
        try (Stream<Path> all = Files.walk(directory)) {
            for (Path path : all.sorted().toList()) {
                String name = directory.relativize(path).toString().replace("/.dpo4j/", "/trees/");
                if (Files.isSymbolicLink(path)) {
                    layout.putObject(name)
                            .put("link", Files.readSymbolicLink(path).toString());
                } else if (Files.isRegularFile(path) && name.endsWith(".json")) {
                    layout.putObject(name).set("json", TestFiles.json(path));
                } else if (Files.isRegularFile(path) && !name.startsWith(".locks") && !name.equals("CACHEDIR.TAG")) {
                    layout.putObject(name).put("text", Files.readString(path));
                }
            }
        }
        return layout;
    }

    @Test
    void whatIsInTheCacheIsNotDownloadedAgain() throws IOException {
        download("config.json");
        assertThat(server.fetched()).containsExactly("config.json");
        download();
        download();
        assertWhole();
        assertThat(server.fetched()).containsExactly("config.json", LARGE);
        assertThat(progress).endsWith((long) CONTENT.length);
        int before = server.requests().size();
        download(new HubRepository(RepositoryKind.MODEL, NAME, HubServer.COMMIT));
        assertThat(server.requests()).as("a commit never changes").hasSize(before);
        Files.move(home().resolve(".dpo4j"), home().resolve("trees")); // as huggingface_hub writes it
        download(new HubRepository(RepositoryKind.MODEL, NAME, HubServer.COMMIT));
        assertThat(server.requests()).hasSize(before);
    }

    @Test
    void aCutConnectionGoesOnWhereItEnded() throws IOException {
        server.fault("/signed/", exchange -> HubServer.cut(exchange, CONTENT, 60_000));
        download();
        assertWhole();
        assertThat(waits).containsExactly(Duration.ofSeconds(1));
        assertThat(notices).containsExactly("127.0.0.1: the connection was cut; trying again in 1 s");
        HubServer.Request last = server.requests().get(server.requests().size() - 1);
        String range = String.valueOf(last.range());
        assertThat(Integer.parseInt(range.replaceAll("\\D", ""))).isBetween(1, 60_000);
    }

    @Test
    void aDownloadThatWasStoppedGoesOn() throws IOException {
        begun(Arrays.copyOf(CONTENT, 70_000));
        download();
        assertWhole();
        assertThat(server.requests()).anyMatch(request -> "bytes=70000-".equals(request.range()));
        assertThat(progress).contains(2 + 70_000L); // with config.json
    }

    private void begun(byte[] content) throws IOException {
        Files.createDirectories(incomplete().getParent());
        Files.write(incomplete(), content);
    }

    @Test
    void aCancelledDownloadGoesOnLater() throws IOException {
        cancelledFrom = 30_000;
        assertThatThrownBy(this::download).isInstanceOf(CancellationException.class);
        assertThat(home().resolve("refs")).doesNotExist();
        assertThat(Files.size(incomplete())).isBetween(29_998L, 99_999L);
        cancelledFrom = Long.MAX_VALUE;
        download();
        assertWhole();
        assertThat(server.requests()).anyMatch(request -> request.range() != null);
    }

    /** The file that was begun has other bytes, or too many, or the server does not go on where it ends. */
    @ParameterizedTest
    @CsvSource({"damaged,0", "too long,0", "range ignored,0", "416,1", "wrong range,1"})
    void aFileThatCannotBeContinuedIsDownloadedFromItsBeginning(String kind, int expectedWaits) throws IOException {
        byte[] begin = Arrays.copyOf(CONTENT, kind.equals("too long") ? CONTENT.length + 1 : 50_000);
        begin[7] ^= (byte) (kind.equals("damaged") ? 1 : 0);
        begun(begin);
        switch (kind) {
            case "range ignored" ->
                server.fault("/signed/", exchange -> HubServer.cut(exchange, CONTENT, CONTENT.length));
            case "416" -> server.fault("/signed/", exchange -> HubServer.send(exchange, 416, ""));
            case "wrong range" ->
                server.fault("/signed/", exchange -> {
                    exchange.getResponseHeaders().add("Content-Range", "bytes 10-99999/100000");
                    HubServer.send(exchange, 206, "x");
                });
            default -> {}
        }
        download();
        assertWhole();
        assertThat(waits).hasSize(expectedWaits);
    }

    @Test
    void aServerThatNeverGoesOnEndsTheDownload() {
        for (int i = 0; i < 20; i++) {
            server.fault("/signed/", exchange -> {
                if (exchange.getRequestHeaders().getFirst("Range") == null) {
                    HubServer.cut(exchange, CONTENT, 60_000);
                } else {
                    HubServer.send(exchange, 416, "");
                }
            });
        }
        assertRefused(this::download, "the hub cannot be reached (", ", 6 times)");
    }

    @Test
    void anotherHashIsRefusedAndNothingIsKept() throws IOException {
        server.fault("/config.json", exchange -> HubServer.send(exchange, 200, "[]"));
        assertRefused(
                () -> download("config.json"),
                "config.json arrived with another hash than " + HubServer.blob("{}".getBytes(StandardCharsets.UTF_8)));
        byte[] other = CONTENT.clone();
        other[99_999]++;
        server.fault("/signed/", exchange -> HubServer.sendFrom(exchange, other));
        assertRefusedWith(
                this::download,
                "model owner/tiny: model.safetensors arrived with another hash than "
                        + HubServer.hash("SHA-256", CONTENT)
                        + ", so it is not kept; give the same command again, and check proxies between here and the hub if"
                        + " that does not help");
        assertThat(incomplete()).doesNotExist();
        assertThat(home().resolve("snapshots/" + HubServer.COMMIT + "/" + LARGE))
                .doesNotExist();
        assertRefused(
                this::snapshot, "is not complete: it has no revision main (other revisions, or a download that was");
        server.fault("/resolve/", exchange -> {
            exchange.getResponseHeaders().add("X-Linked-Etag", "\"abc\"");
            HubServer.send(exchange, 200, "x");
        });
        assertRefused(() -> download(LARGE), "the hub lists model.safetensors with the hash ", ", but sends abc");
        download();
        assertWhole();
    }

    @Test
    void aDiskThatIsTooSmallIsRefusedBeforeTheFirstByte() throws IOException {
        free = 99_999;
        assertRefusedWith(
                () -> download(LARGE),
                "model owner/tiny needs 0.1 MB more in " + directory
                        + ", but 0.1 MB of its disk are free; free space, or"
                        + " set HF_HUB_CACHE to a directory on another disk");
        assertThat(server.fetched()).isEmpty();
        begun(Arrays.copyOf(CONTENT, 1));
        download(LARGE);
        assertThat(snapshot().resolve(LARGE)).hasBinaryContent(CONTENT);
    }

    /** Writes to /dev/full fail with ENOSPC. */
    @Test
    void aDiskThatIsFullIsNamed() throws IOException {
        Files.createDirectories(incomplete().getParent());
        Files.createSymbolicLink(incomplete(), Path.of("/dev/full"));
        assertRefusedWith(
                this::download,
                incomplete() + " cannot be written (No space left on device); free space, or set HF_HUB_CACHE to a"
                        + " directory on another disk; what has been downloaded is kept, and the same command goes on with"
                        + " it");
        assertThat(waits).isEmpty();
    }

    @Test
    void withoutSymbolicLinksSnapshotsHoldTheFiles() throws IOException {
        environment.put("HF_HUB_DISABLE_SYMLINKS", "1");
        download();
        assertWhole();
        assertThat(Files.isSymbolicLink(snapshot().resolve(LARGE))).isFalse();
        assertThat(home().resolve("blobs")).isEmptyDirectory();
        download();
        assertThat(server.fetched()).hasSize(2);
    }

    @Test
    void aDamagedFileIsDownloadedAgain() throws IOException {
        download();
        Path blob = snapshot().resolve(LARGE).toRealPath();
        Files.write(blob, new byte[5]);
        download();
        assertWhole();
        Files.delete(blob);
        download();
        assertWhole();
    }

    /** The old snapshot stays the one of the branch until the new one is complete. */
    @Test
    void aBranchMovesWhenItsFilesAreComplete() throws IOException {
        Path old = Files.createDirectories(home().resolve("snapshots/" + "f".repeat(40)));
        Files.createDirectories(home().resolve("refs"));
        Files.writeString(home().resolve("refs/main"), "f".repeat(40));
        server.fault("/config.json", exchange -> HubServer.send(exchange, 404, ""));
        assertRefused(this::download, "status 404");
        assertThat(snapshot()).isEqualTo(old);
        download();
        assertThat(snapshot().getFileName().toString()).isEqualTo(HubServer.COMMIT);
    }
}
