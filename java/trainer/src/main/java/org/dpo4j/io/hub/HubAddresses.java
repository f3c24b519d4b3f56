package org.dpo4j.io.hub;

import java.net.URI;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.stream.Collectors;

/**
 * The addresses of a repository, as in hf_api.py and file_download.py of huggingface_hub.
 *
 * @param endpoint address of the hub, without a slash at its end
 */
record HubAddresses(URI endpoint, HubRepository repository) {

    /** What the hub says about the revision: above all its commit. */
    URI revision() {
        return URI.create(api() + "/revision/" + quoted(repository.revision()));
    }

    /** The list of the files of a commit. */
    URI tree(String commit) {
        return URI.create(api() + "/tree/" + quoted(commit) + "?recursive=true&expand=false");
    }

    private String api() {
        return endpoint + "/api/" + repository.kind().plural + "/" + repository.name();
    }

    /** The content of a file. */
    URI content(String commit, String path) {
        String quoted = Arrays.stream(path.split("/")).map(HubAddresses::quoted).collect(Collectors.joining("/"));
        return URI.create(page() + "/resolve/" + commit + "/" + quoted);
    }

    /** The page for people. */
    String page() {
        return endpoint + "/" + repository.kind().prefix + repository.name();
    }

    /** Percent encoding of all but letters, digits and {@code -._~}. */
    private static String quoted(String text) {
        return URLEncoder.encode(text, StandardCharsets.UTF_8)
                .replace("+", "%20")
                .replace("*", "%2A")
                .replace("%7E", "~");
    }
}
