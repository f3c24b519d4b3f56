package org.dpo4j.io.hub;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.dpo4j.model.RefusalAssertions.assertRefused;
import static org.dpo4j.model.RefusalAssertions.assertRefusedWith;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.net.URI;
import java.time.Duration;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.util.List;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Answers of the hub that are no files: refusals, redirects, asking to wait, silence, and lists that lie. */
class HubAnswersTest extends HubFixture {

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
}
