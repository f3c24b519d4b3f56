package org.dpo4j.io.hub;

import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpHeaders;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Flow;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;

/**
 * Requests to the hub. It follows redirects itself, because only the hub may receive the token: contents lie on other
 * hosts, whose addresses are signed.
 */
final class HubHttp {
    private static final int OK = 200;
    private static final int PARTIAL = 206;
    private static final int OUT_OF_RANGE = 416;
    private static final Set<Integer> REDIRECTS = Set.of(301, 302, 303, 307, 308);
    private static final int MAX_REDIRECTS = 20;

    private final HubSettings settings;
    private final HubListener listener;
    private final HttpClient client;

    HubHttp(HubSettings settings, HubListener listener) {
        this.settings = settings;
        this.listener = listener;
        HttpClient.Builder builder = HttpClient.newBuilder()
                .version(HttpClient.Version.HTTP_1_1) // a connection for each content, so that closing ends only that
                .followRedirects(HttpClient.Redirect.NEVER)
                .connectTimeout(settings.answerLimit());
        if (settings.proxy() != null) {
            builder.proxy(settings.proxy());
        }
        this.client = builder.build();
    }

    /**
     * An answer, to be closed.
     *
     * @param tag the tag of a large content, which the hub sends with the redirect to it; null: none
     */
    record Answer(int status, HttpHeaders headers, @Nullable String tag, ResponseBody body) implements AutoCloseable {
        boolean isPartial() {
            return status == PARTIAL;
        }

        boolean isOutOfRange() {
            return status == OUT_OF_RANGE;
        }

        @Override
        public void close() {
            body.close();
        }
    }

    /**
     * Requests an address of the hub, from a byte on. Throws {@link BusyException} or another {@link IOException} if a later
     * attempt may succeed, and {@link Dpo4jException} if it will not.
     */
    Answer get(HubRepository repository, URI address, long from) throws IOException {
        URI uri = address;
        String tag = null;
        for (int redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
            HttpResponse<Flow.Publisher<List<ByteBuffer>>> response = send(uri, from);
            HttpHeaders headers = response.headers();
            ResponseBody body = ResponseBody.receive(response.body());
            tag = tag != null
                    ? tag
                    : headers.firstValue("X-Linked-Etag").map(HubHttp::plain).orElse(null);
            int status = response.statusCode();
            if (status == OK || status == PARTIAL || status == OUT_OF_RANGE && from > 0) {
                return new Answer(status, headers, tag, body);
            }
            body.close();
            String location = headers.firstValue("Location").orElse("");
            if (!REDIRECTS.contains(status) || location.isEmpty()) {
                throw failure(repository, uri, status, headers);
            }
            uri = target(uri, location);
        }
        throw new Dpo4jException(
                repository + ": more than " + MAX_REDIRECTS + " redirects from " + address + "; check HF_ENDPOINT");
    }

    private HttpResponse<Flow.Publisher<List<ByteBuffer>>> send(URI uri, long from) throws IOException {
        HttpRequest.Builder request = HttpRequest.newBuilder(uri)
                .header("User-Agent", "dpo4j")
                .header("Accept-Encoding", "identity"); // sizes and ranges are those of the file
        if (from > 0) {
            request.header("Range", "bytes=" + from + "-");
        }
        if (hasToken(uri)) {
            request.header("Authorization", "Bearer " + settings.token());
        }
        CompletableFuture<HttpResponse<Flow.Publisher<List<ByteBuffer>>>> answer =
                client.sendAsync(request.build(), BodyHandlers.ofPublisher());
        for (long left = settings.answerLimit().toMillis(); ; left -= Waiting.SLICE.toMillis()) {
            try {
                listener.waiting();
                return answer.get(Math.max(1, Math.min(left, Waiting.SLICE.toMillis())), TimeUnit.MILLISECONDS);
            } catch (TimeoutException e) {
                if (left <= Waiting.SLICE.toMillis()) {
                    answer.cancel(true);
                    throw new IOException("no answer for " + Waiting.words(settings.answerLimit()), e);
                }
            } catch (ExecutionException e) {
                throw e.getCause() instanceof IOException cause ? cause : new IOException(e.getCause());
            } catch (InterruptedException e) {
                answer.cancel(true);
                throw Waiting.interrupted(e);
            } catch (RuntimeException e) { // of the listener
                answer.cancel(true);
                throw e;
            }
        }
    }

    private boolean hasToken(URI uri) {
        return settings.token() != null && settings.isHub(uri);
    }

    /** The error of an answer that is no content. Throws if another attempt gets the same answer. */
    private IOException failure(HubRepository repository, URI uri, int status, HttpHeaders headers) {
        if (BusyException.isBusy(status) || !settings.isHub(uri)) { // a signed address may have expired
            return BusyException.answered(uri.getHost(), status, headers);
        }
        String page = new HubAddresses(settings.endpoint(), repository).page();
        throw new HubRefusals(repository, page, hasToken(uri)).refusal(uri.getPath(), status, headers);
    }

    /** Where a redirect leads. Throws if that is no address of http, or leaves https. */
    static URI target(URI uri, String location) throws IOException {
        URI target;
        try {
            target = uri.resolve(location);
        } catch (IllegalArgumentException e) {
            throw new IOException("a redirect to no address", e);
        }
        boolean isHttp =
                target.getHost() != null && String.valueOf(target.getScheme()).matches("(?i)https?");
        boolean isOpened = "https".equalsIgnoreCase(uri.getScheme()) && "http".equalsIgnoreCase(target.getScheme());
        if (!isHttp || isOpened) {
            throw new IOException("a redirect from " + uri.getHost() + " to " + target.getScheme() + ", not to https");
        }
        return target;
    }

    /** The value of an entity tag, {@code "..."} or {@code W/"..."}. */
    private static String plain(String tag) {
        return tag.replaceFirst("^W/", "").replace("\"", "");
    }
}
