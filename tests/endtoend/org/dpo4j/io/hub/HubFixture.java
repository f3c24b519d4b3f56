package org.dpo4j.io.hub;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.concurrent.CancellationException;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A repository of a small and a large file on a {@link HubServer}, and downloads of it into an empty cache. */
@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
abstract class HubFixture {
    static final String NAME = "owner/tiny";
    static final String LARGE = "model.safetensors";
    static final HubRepository MODEL = new HubRepository(RepositoryKind.MODEL, NAME, "main");
    static final byte[] CONTENT = new byte[100_000];

    static {
        new Random(1).nextBytes(CONTENT);
    }

    @TempDir
    Path directory;

    final Map<String, String> environment = new HashMap<>();
    final List<Duration> waits = new ArrayList<>();
    final List<String> notices = new ArrayList<>();
    final List<Long> progress = new ArrayList<>();
    long free = Long.MAX_VALUE;
    long cancelledFrom = Long.MAX_VALUE;
    Duration answerLimit = Duration.ofSeconds(10);
    HubServer server = new HubServer("models/" + NAME);

    @BeforeEach
    void start() {
        server.with("config.json", "{}").with(LARGE, CONTENT);
        environment.put("HF_HUB_CACHE", directory.toString());
        environment.put("HF_ENDPOINT", server.address());
        environment.put("HF_HOME", directory.resolve("home").toString());
    }

    @AfterEach
    void stop() {
        server.close();
    }

    Hub hub() {
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

    HubSettings settings() {
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

    void download(String... names) {
        download(MODEL, names);
    }

    void download(HubRepository repository, String... names) {
        hub().download(repository, snapshot -> snapshot.fetch(names.length == 0 ? snapshot.names() : List.of(names)));
    }

    Path snapshot() {
        return Objects.requireNonNull(HubCache.in(environment).find(MODEL));
    }

    Path home() {
        return directory.resolve("models--owner--tiny");
    }

    Path incomplete() {
        return home().resolve("blobs/" + HubServer.hash("SHA-256", CONTENT) + ".incomplete");
    }

    void assertWhole() throws IOException {
        assertThat(snapshot().resolve(LARGE)).hasBinaryContent(CONTENT);
        assertThat(snapshot().resolve("config.json")).hasContent("{}");
        assertThat(incomplete()).doesNotExist();
    }
}
