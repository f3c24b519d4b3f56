package org.dpo4j.io.hub;

import java.io.IOException;
import java.net.ProxySelector;
import java.net.URI;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.dpo4j.io.FileErrors;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;

/**
 * What huggingface_hub/constants.py reads from the environment.
 *
 * @param cache directory of the cache
 * @param endpoint address of the hub, without a slash at its end
 * @param token secret of the user's account; null: none
 * @param isOffline whether nothing may be requested
 * @param hasSymlinks whether files of snapshots may be symbolic links
 * @param answerLimit maximum time until the hub answers
 * @param dataLimit maximum time between two pieces of a file
 * @param proxy proxies that variables name; null: Java's settings
 */
record HubSettings(
        Path cache,
        URI endpoint,
        @Nullable String token,
        boolean isOffline,
        boolean hasSymlinks,
        Duration answerLimit,
        Duration dataLimit,
        @Nullable ProxySelector proxy) {
    private static final String ENDPOINT = "https://huggingface.co";
    private static final Set<String> TRUE = Set.of("1", "ON", "YES", "TRUE");
    private static final Set<String> LOOPBACK = Set.of("localhost", "127.0.0.1", "[::1]");
    private static final Pattern VARIABLE = Pattern.compile("\\$(\\w+|\\{[^}]*\\})");

    /** Reads the variables. Throws, naming the variable, if a value is not usable. */
    static HubSettings find(Map<String, String> environment) {
        Path home = home(environment);
        return new HubSettings(
                cache(environment),
                endpoint(environment),
                token(environment, home),
                isOffline(environment),
                !isTrue(environment.get("HF_HUB_DISABLE_SYMLINKS")),
                seconds(environment, "HF_HUB_ETAG_TIMEOUT"),
                seconds(environment, "HF_HUB_DOWNLOAD_TIMEOUT"),
                HubProxy.find(environment));
    }

    private static Path home(Map<String, String> environment) {
        String home = environment.getOrDefault("HF_HOME", "");
        if (home.isEmpty()) {
            String cache = environment.getOrDefault("XDG_CACHE_HOME", "");
            home = (cache.isEmpty() ? "~/.cache" : cache) + "/huggingface";
        }
        return path(home, environment);
    }

    /** The directory of the cache. */
    static Path cache(Map<String, String> environment) {
        String hub = first(environment.get("HF_HUB_CACHE"), environment.get("HUGGINGFACE_HUB_CACHE"));
        return hub == null ? home(environment).resolve("hub") : path(hub, environment);
    }

    /** Whether the environment forbids requests to the hub. */
    static boolean isOffline(Map<String, String> environment) {
        return isTrue(first(environment.get("HF_HUB_OFFLINE"), environment.get("TRANSFORMERS_OFFLINE")));
    }

    /** Replaces {@code ~} and variables in a path, as Python's expanduser and expandvars do. */
    private static Path path(String text, Map<String, String> environment) {
        boolean isInHome = text.equals("~") || text.startsWith("~/");
        String home = environment.getOrDefault("HOME", System.getProperty("user.home", ""));
        Matcher variables = VARIABLE.matcher(isInHome ? home + text.substring(1) : text);
        return Path.of(variables.replaceAll(found -> Matcher.quoteReplacement(
                environment.getOrDefault(found.group(1).replaceAll("[{}]", ""), found.group()))));
    }

    private static URI endpoint(Map<String, String> environment) {
        String text = environment.getOrDefault("HF_ENDPOINT", "").replaceFirst("/+$", "");
        try {
            URI uri = new URI(text.isEmpty() ? ENDPOINT : text);
            if (uri.getHost() != null
                    && uri.getRawQuery() == null
                    && uri.getRawUserInfo() == null
                    && String.valueOf(uri.getScheme()).matches("https?")) {
                return uri;
            }
        } catch (URISyntaxException e) {
            // refused below
        }
        throw new Dpo4jException(
                "HF_ENDPOINT is " + text + "; set it to an address such as " + ENDPOINT + ", or unset it");
    }

    /** That of the variables, else that of the file that {@code hf auth login} writes. */
    private static @Nullable String token(Map<String, String> environment, Path home) {
        String token = clean(first(environment.get("HF_TOKEN"), environment.get("HUGGING_FACE_HUB_TOKEN")));
        if (token != null) {
            return token;
        }
        if (isTrue(environment.get("HF_HUB_DISABLE_IMPLICIT_TOKEN"))) {
            return null;
        }
        String named = first(environment.get("HF_TOKEN_PATH"), null);
        Path file = named == null ? home.resolve("token") : path(named, environment);
        try {
            return Files.isRegularFile(file) ? clean(Files.readString(file)) : null;
        } catch (IOException e) {
            throw new Dpo4jException(
                    file + ", the token of the hub, cannot be read (" + FileErrors.reason(e)
                            + "); make it readable, or set HF_TOKEN",
                    e);
        }
    }

    private static @Nullable String clean(@Nullable String token) {
        String text = token == null ? "" : token.replaceAll("[\r\n]", "").strip();
        if (!text.matches("[\\x21-\\x7e]*")) {
            throw new Dpo4jException(
                    "the token of the hub has characters that no token has; set HF_TOKEN to the token");
        }
        return text.isEmpty() ? null : text;
    }

    private static Duration seconds(Map<String, String> environment, String name) {
        String text = environment.getOrDefault(name, "");
        if (!text.isEmpty() && !text.matches("[0-9]{1,6}")) {
            throw new Dpo4jException(name + " is " + text + "; set it to a number of seconds, or unset it");
        }
        long value = text.isEmpty() ? 0 : Long.parseLong(text);
        return Duration.ofSeconds(value == 0 ? 10 : value); // 0 is the default, as in huggingface_hub
    }

    private static boolean isTrue(@Nullable String value) {
        return value != null && TRUE.contains(value.toUpperCase(Locale.ROOT));
    }

    private static @Nullable String first(@Nullable String value, @Nullable String other) {
        return value != null && !value.isEmpty() ? value : other == null || other.isEmpty() ? null : other;
    }

    /** Throws if the token would be sent over a network without encryption. */
    void requireSecret() {
        boolean isOpen = "http".equals(endpoint.getScheme()) && !LOOPBACK.contains(endpoint.getHost());
        if (isOpen && token != null) {
            throw new Dpo4jException(
                    "HF_ENDPOINT is " + endpoint + ", so the token would be sent unencrypted; use https,"
                            + " or set HF_HUB_DISABLE_IMPLICIT_TOKEN to 1 and unset HF_TOKEN");
        }
    }

    /** Whether an address is one of the hub itself, which may receive the token. */
    boolean isHub(URI uri) {
        return endpoint.getScheme().equalsIgnoreCase(uri.getScheme())
                && endpoint.getHost().equalsIgnoreCase(uri.getHost())
                && port(endpoint) == port(uri);
    }

    private static int port(URI uri) {
        return uri.getPort() >= 0 ? uri.getPort() : "http".equalsIgnoreCase(uri.getScheme()) ? 80 : 443;
    }

    /** Without the token, which is a secret. */
    @Override
    public String toString() {
        return endpoint + ", cache " + cache;
    }
}
