package org.dpo4j.io.hub;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.dpo4j.model.RefusalAssertions.assertRefused;
import static org.dpo4j.model.RefusalAssertions.assertRefusedWith;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.net.Proxy;
import java.net.ProxySelector;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.concurrent.CancellationException;
import java.util.stream.Stream;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.dpo4j.model.TestFiles;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Downloads from a hub that cuts connections, lies, refuses or is slow. */
@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class HubTest {
    private static final String NAME = "owner/tiny";
    private static final String LARGE = "model.safetensors";
    private static final HubRepository MODEL = new HubRepository(RepositoryKind.MODEL, NAME, "main");
    private static final byte[] CONTENT = new byte[100_000];

    static {
        new Random(1).nextBytes(CONTENT);
    }

    @TempDir
    private Path directory;

    private final Map<String, String> environment = new HashMap<>();
    private final List<Duration> waits = new ArrayList<>();
    private final List<String> notices = new ArrayList<>();
    private final List<Long> progress = new ArrayList<>();
    private long free = Long.MAX_VALUE;
    private long cancelledFrom = Long.MAX_VALUE;
    private Duration answerLimit = Duration.ofSeconds(10);
    private HubServer server;

    @BeforeEach
    void start() {
        server = new HubServer("models/" + NAME).with("config.json", "{}").with(LARGE, CONTENT);
        environment.put("HF_HUB_CACHE", directory.toString());
        environment.put("HF_ENDPOINT", server.address());
        environment.put("HF_HOME", directory.resolve("home").toString());
    }

    @AfterEach
    void stop() {
        server.close();
    }

    private Hub hub() {
        HubListener listener = new HubListener() {
            @Override
            public void downloaded(String repository, long done, long total) {
                progress.add(done);
                if (done >= cancelledFrom) {
                    throw new CancellationException("cancelled");
                }
            }

            @Override
            public void notice(String line) {
                notices.add(line);
            }

            @Override
            public void waiting() {}
        };
        return Hub.in(settings(), listener, (wait, each) -> waits.add(wait), path -> free);
    }

    private HubSettings settings() {
        HubSettings found = HubSettings.find(environment);
        return new HubSettings(
                found.cache(),
                found.endpoint(),
                found.token(),
                found.isOffline(),
                found.hasSymlinks(),
                answerLimit,
                answerLimit,
                found.proxy());
    }

    private void download(String... names) {
        download(MODEL, names);
    }

    private void download(HubRepository repository, String... names) {
        hub().download(repository, snapshot -> snapshot.fetch(names.length == 0 ? snapshot.names() : List.of(names)));
    }

    private Path snapshot() {
        return Objects.requireNonNull(HubCache.in(environment).find(MODEL));
    }

    private Path home() {
        return directory.resolve("models--owner--tiny");
    }

    private Path incomplete() {
        return home().resolve("blobs/" + HubServer.hash("SHA-256", CONTENT) + ".incomplete");
    }

    private void assertWhole() throws IOException {
        assertThat(snapshot().resolve(LARGE)).hasBinaryContent(CONTENT);
        assertThat(snapshot().resolve("config.json")).hasContent("{}");
        assertThat(incomplete()).doesNotExist();
    }

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

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "401 |                  | false | none of this name that everyone may read; correct the name, or for a"
                        + " private one set HF_TOKEN to a token of your account, or run: hf auth login (status 401: Say \"why\")",
                "401 |                  | true  | the hub does not accept the token; set HF_TOKEN to a token of your"
                        + " account, or run: hf auth login",
                "401 | GatedRepo        | false | its authors ask who uses it; accept its conditions at %s/owner/tiny, and"
                        + " set HF_TOKEN to a token of your account, or run: hf auth login (status 401",
                "403 | GatedRepo        | true  | accept its conditions at %s/owner/tiny, and use a token of that account",
                "403 |                  | true  | the hub refuses access to the account of the token; give the token the",
                "404 | RepoNotFound     | true  | none of this name that the account of the token may read",
                "404 | RevisionNotFound | false | it has no branch main; give its branch as model_revision",
                "404 | EntryNotFound    | false | is not in it; give another model_revision",
                "418 |                  | false | the hub refuses the request; check HF_ENDPOINT and the name (status 418",
            })
    void refusalsSayWhatToDo(int status, String code, boolean hasToken, String expected) {
        if (hasToken) {
            environment.put("HF_TOKEN", "hf_secret");
        }
        server.fault("/revision/main", exchange -> {
            if (code != null) {
                exchange.getResponseHeaders().add("X-Error-Code", code);
            }
            exchange.getResponseHeaders().add("X-Error-Message", "Say \"why\"");
            HubServer.send(exchange, status, "");
        });
        assertRefused(this::download, "model owner/tiny: ", expected.formatted(server.address()));
        assertThat(waits).isEmpty();
        assertThat(directory).isEmptyDirectory();
    }

    @Test
    void aRevisionThatDoesNotExistIsNamed() {
        server.fault("/revision/v9", exchange -> {
            exchange.getResponseHeaders().add("X-Error-Code", "RevisionNotFound");
            HubServer.send(exchange, 404, "");
        });
        assertRefusedWith(
                () -> download(new HubRepository(RepositoryKind.MODEL, NAME, "v9")),
                "model owner/tiny at revision v9: the hub has no revision v9; correct model_revision (status 404)");
    }

    @Test
    void aBusyHubIsAskedAgainWhenItSays() throws IOException {
        server.fault("/revision/", exchange -> {
            exchange.getResponseHeaders().add("Retry-After", "30");
            HubServer.send(exchange, 429, "");
        });
        server.fault("/tree/", exchange -> {
            exchange.getResponseHeaders().add("RateLimit", "\"api\";r=0;t=55");
            HubServer.send(exchange, 429, "");
        });
        server.fault("/config.json", exchange -> HubServer.send(exchange, 503, ""));
        server.fault("/config.json", exchange -> HubServer.send(exchange, 500, ""));
        server.fault("/signed/", exchange -> HubServer.send(exchange, 403, "")); // the signature has expired
        download();
        assertWhole();
        assertThat(waits.stream().map(Duration::toSeconds)).containsExactly(30L, 55L, 1L, 2L, 1L);
        assertThat(notices)
                .startsWith("127.0.0.1 answered 429 (too many requests); trying again in 30 s")
                .endsWith("localhost answered 403; trying again in 1 s");
    }

    @Test
    void theHubMayNameATimeToAskAgain() {
        String date = DateTimeFormatter.RFC_1123_DATE_TIME.format(
                ZonedDateTime.now(ZoneOffset.UTC).plusSeconds(40));
        server.fault("/revision/", exchange -> {
            exchange.getResponseHeaders().add("Retry-After", date);
            HubServer.send(exchange, 503, "");
        });
        download();
        assertThat(waits)
                .singleElement()
                .matches(wait -> wait.toSeconds() > 0 && wait.toSeconds() <= 40, "until " + date);
    }

    @Test
    void aRedirectMayNotLeaveEncryption() throws IOException {
        URI from = URI.create("https://huggingface.co/a/b");
        assertThat(HubHttp.target(from, "../c")).isEqualTo(URI.create("https://huggingface.co/c"));
        assertThat(HubHttp.target(from, "https://cdn.example/x?y=z"))
                .isEqualTo(URI.create("https://cdn.example/x?y=z"));
        assertThat(HubHttp.target(URI.create("http://127.0.0.1/a"), "/b")).isEqualTo(URI.create("http://127.0.0.1/b"));
        for (String location :
                List.of("http://huggingface.co/a", "file:///etc/passwd", "//", "https:x", "not an address")) {
            assertThatThrownBy(() -> HubHttp.target(from, location))
                    .as(location)
                    .isInstanceOf(IOException.class)
                    .hasMessageContaining("a redirect");
        }
    }

    @Test
    void aHubThatStaysBusyEndsTheDownload() {
        for (int i = 0; i < 7; i++) {
            server.fault("/revision/", exchange -> HubServer.send(exchange, 503, ""));
        }
        assertRefusedWith(
                this::download,
                "model owner/tiny: the hub cannot be reached (127.0.0.1 answered 503, 6 times); check the network and"
                        + " HF_ENDPOINT, and give the same command again: it goes on where this one stopped");
        assertThat(waits.stream().map(Duration::toSeconds)).containsExactly(1L, 2L, 4L, 8L, 8L);
        server.fault("/revision/", exchange -> {
            exchange.getResponseHeaders().add("Retry-After", "3600");
            HubServer.send(exchange, 429, "");
        });
        HubServer before = server;
        try (HubServer fresh = new HubServer("models/" + NAME)) {
            server = fresh;
            environment.put("HF_ENDPOINT", fresh.address());
            fresh.fault("/revision/", exchange -> {
                exchange.getResponseHeaders().add("Retry-After", "3600");
                HubServer.send(exchange, 429, "");
            });
            assertRefused(this::download, "127.0.0.1 answered 429 (too many requests) and asks to wait 3600 s");
        } finally {
            server = before;
        }
    }

    @Test
    void aSlowHubIsAskedAgain() throws IOException {
        answerLimit = Duration.ofMillis(400);
        server.fault("/revision/", exchange -> HubServer.sleep(10_000));
        server.fault("/signed/", exchange -> {
            HubServer.cut(exchange, CONTENT, 60_000);
            HubServer.sleep(10_000);
        });
        download();
        assertWhole();
        assertThat(notices)
                .containsExactly(
                        "127.0.0.1: no answer for 0.4 s; trying again in 1 s",
                        "127.0.0.1: no data for 0.4 s; trying again in 1 s");
    }

    @Test
    void onlyTheHubReceivesTheToken() throws IOException {
        environment.put("HF_TOKEN", "hf_secret\n");
        server.fault(
                "/revision/",
                exchange -> { // a renamed repository
                    exchange.getResponseHeaders().add("Location", "/api/models/owner/tiny/revision/renamed");
                    HubServer.send(exchange, 307, "");
                });
        download();
        assertWhole();
        assertThat(server.requests())
                .allSatisfy(request -> assertThat(request.token())
                        .as(request.toString())
                        .isEqualTo(request.host().equals("127.0.0.1") ? "Bearer hf_secret" : null))
                .anyMatch(request -> request.host().equals("localhost"));
        assertThat(HubSettings.find(environment).toString()).doesNotContain("secret");
    }

    @Test
    void theTokenIsThatOfTheVariablesOrTheFile() throws IOException {
        Path home = Files.createDirectories(directory.resolve("home"));
        assertThat(HubSettings.find(environment).token()).isNull();
        Files.writeString(home.resolve("token"), "hf_file\n");
        assertThat(HubSettings.find(environment).token()).isEqualTo("hf_file");
        Files.writeString(directory.resolve("other"), "hf_other");
        environment.put("HF_TOKEN_PATH", directory + "/other");
        assertThat(HubSettings.find(environment).token()).isEqualTo("hf_other");
        environment.put("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1");
        assertThat(HubSettings.find(environment).token()).isNull();
        environment.put("HUGGING_FACE_HUB_TOKEN", "hf_old");
        assertThat(HubSettings.find(environment).token()).isEqualTo("hf_old");
        environment.put("HF_TOKEN", "hf_new");
        assertThat(HubSettings.find(environment).token()).isEqualTo("hf_new");
        environment.put("HF_ENDPOINT", "http://hub.example");
        assertRefused(this::download, "HF_ENDPOINT is http://hub.example, so the token would be sent unencrypted");
        environment.put("HF_TOKEN", "hf \u00e4");
        assertRefused(() -> HubSettings.find(environment), "the token of the hub has characters that no token has");
    }

    @Test
    void proxiesOfTheEnvironment() throws IOException {
        environment.put("HF_ENDPOINT", "http://hub.invalid");
        environment.put("HTTP_PROXY", server.address());
        environment.put("NO_PROXY", "example.com, localhost");
        download();
        assertWhole();
        URI hub = URI.create("https://huggingface.co/a");
        ProxySelector both = Objects.requireNonNull(HubProxy.find(
                Map.of("ALL_PROXY", "proxy:1", "https_proxy", "http://other:2/", "no_proxy", ".b.org,c:443")));
        assertThat(both.select(hub).get(0).address()).hasToString("other/<unresolved>:2");
        for (String direct : List.of("https://b.org", "https://a.b.org", "https://c")) {
            assertThat(both.select(URI.create(direct))).as(direct).containsExactly(Proxy.NO_PROXY);
        }
        assertThat(both.select(URI.create("https://ab.org"))).doesNotContain(Proxy.NO_PROXY);
        assertThat(HubProxy.find(Map.of("NO_PROXY", "a"))).isNull();
        assertRefused(
                () -> HubProxy.find(Map.of("HTTPS_PROXY", "http://me:secret@proxy:3128")),
                "HTTPS_PROXY is no address of the form http://HOST:PORT, without name and password; set it to one, or");
    }

    @ParameterizedTest
    @ValueSource(strings = {"ftp://hub", "hub.example", "https://user@hub", "https://hub?a=b", "not an address"})
    void anEndpointIsAnAddress(String endpoint) {
        environment.put("HF_ENDPOINT", endpoint);
        assertRefused(this::download, "HF_ENDPOINT is " + endpoint + "; set it to an address such as https://");
    }

    @Test
    void onlyTheSameSchemeHostAndPortIsTheHub() {
        HubSettings settings = HubSettings.find(Map.of("HF_HOME", directory.toString()));
        assertThat(settings.isHub(URI.create("https://huggingface.co:443/a"))).isTrue();
        for (String other :
                List.of("http://huggingface.co/a", "https://cdn.huggingface.co/a", "https://huggingface.co:8443/")) {
            assertThat(settings.isHub(URI.create(other))).as(other).isFalse();
        }
    }

    @Test
    void offlineNothingIsRequested() throws IOException {
        environment.put("HF_HUB_OFFLINE", "1");
        download();
        assertThat(server.requests()).isEmpty();
        assertThat(notices).containsExactly("HF_HUB_OFFLINE is set, so model owner/tiny is not downloaded");
        assertRefusedWith(
                () -> {
                    throw HubCache.in(environment).absent(MODEL);
                },
                "owner/tiny is not a directory here, and the cache of the Hugging Face hub in " + directory
                        + " has no model of"
                        + " that name; unset HF_HUB_OFFLINE, and download it by adding --download to the command, or with:"
                        + " hf download owner/tiny, or give a directory");
        environment.put("HF_HUB_OFFLINE", "0");
        download();
        assertWhole();
        environment.put("TRANSFORMERS_OFFLINE", "true");
        environment.remove("HF_HUB_OFFLINE");
        int before = server.requests().size();
        download();
        assertThat(server.requests()).hasSize(before);
    }

    @Test
    void withoutTheHubTheCacheIsUsed() throws IOException {
        download();
        server.close();
        download();
        assertThat(notices)
                .singleElement()
                .asString()
                .contains("the hub cannot be reached (127.0.0.1: it cannot be connected to)")
                .endsWith("; what the cache has of it is used");
        assertThat(waits).isEmpty();
        assertWhole();
        assertRefused(
                () -> download(new HubRepository(RepositoryKind.MODEL, NAME, "other")),
                "model owner/tiny at revision other: the hub cannot be reached (");
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

    @ParameterizedTest
    @ValueSource(
            strings = {
                "../model.safetensors",
                "/etc/passwd",
                "a/../../b",
                "a\\..\\b",
                "C:/b",
                "a//b",
                "a/./b",
                "a\u0000b"
            })
    void namesThatLeaveTheRepositoryAreRefused(String name) {
        ObjectNode entry = HubServer.entry(name, CONTENT);
        server.fault("/tree/", exchange -> HubServer.send(exchange, 200, "[" + entry + "]"));
        assertRefused(this::download, "the hub lists a file named \"" + name + "\", which could be outside");
        assertThat(directory).isEmptyDirectory();
    }

    @ParameterizedTest
    @CsvSource({"oid,../../x", "oid,ABC", "size,-1"})
    void hashesThatAreNoneAreRefused(String key, String value) {
        ObjectNode entry = HubServer.entry("config.json", CONTENT).put(key, value);
        if (key.equals("size")) {
            entry.put(key, Long.parseLong(value));
        }
        server.fault("/tree/", exchange -> HubServer.send(exchange, 200, "[" + entry + "]"));
        assertRefused(this::download, "the hub lists config.json without a size or a hash that can be checked");
    }

    @Test
    void answersThatAreNotTheHubsAreRefused() {
        server.fault("/revision/", exchange -> HubServer.send(exchange, 200, "<html>Log in</html>"));
        assertRefused(this::download, "/revision/main is not answered in JSON, as the hub does; check HF_ENDPOINT");
        server.fault("/revision/", exchange -> HubServer.send(exchange, 200, "{\"sha\": \"../x\"}"));
        assertRefused(this::download, "does not say which commit it is at");
        server.fault("/revision/", exchange -> {
            exchange.getResponseHeaders().add("Location", "/api/models/owner/tiny/revision/main");
            HubServer.send(exchange, 302, "");
        });
        ThrowingCallable loop = () -> {
            for (int i = 0; i < 20; i++) {
                server.fault("/revision/", exchange -> {
                    exchange.getResponseHeaders().add("Location", "/api/models/owner/tiny/revision/main");
                    HubServer.send(exchange, 302, "");
                });
            }
            download();
        };
        assertRefused(loop, "more than 20 redirects from ");
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

    @ParameterizedTest
    @CsvSource({
        "gpt2,true",
        "Qwen/Qwen2.5-0.5B,true",
        "_a/b_,true",
        "a/b/c,false",
        "a--b,false",
        "a..b/c,false",
        ".a,false",
        "a/b.,false",
        "a-/b,false",
        "a/b.git,false",
        "/a,false",
        "a b,false",
    })
    void namesOfRepositories(String text, boolean isName) {
        assertThat(HubRepository.isName(text)).isEqualTo(isName);
    }

    @Test
    void revisionsAreNoPaths() {
        assertRefused(
                () -> new HubRepository(RepositoryKind.MODEL, NAME, "../../x"),
                "model_revision is ../../x; it must be a branch, a tag or the hash of a commit");
    }
}
