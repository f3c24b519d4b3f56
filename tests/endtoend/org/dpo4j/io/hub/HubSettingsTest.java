package org.dpo4j.io.hub;

import static org.assertj.core.api.Assertions.assertThat;
import static org.dpo4j.model.RefusalAssertions.assertRefused;
import static org.dpo4j.model.RefusalAssertions.assertRefusedWith;

import java.io.IOException;
import java.net.Proxy;
import java.net.ProxySelector;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Variables of the environment, and names of repositories. */
class HubSettingsTest extends HubFixture {

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
