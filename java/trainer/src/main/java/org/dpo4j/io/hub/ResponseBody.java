package org.dpo4j.io.hub;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.Flow;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * The body of a response, as it arrives. Time limits of {@link java.net.http.HttpRequest} end with the headers, or hold for
 * the whole body, which for a large file is no limit. Here each piece has one.
 */
final class ResponseBody implements Flow.Subscriber<List<ByteBuffer>>, AutoCloseable {

    /** A piece, or the end, with the error that it came with. */
    private record Event(
            List<ByteBuffer> bytes, boolean isEnd, @Nullable Throwable error) {}

    /** Pieces, of 16 KiB or a little more, that are received before they are asked for. */
    private static final int AHEAD = 16;

    private final BlockingQueue<Event> events = new LinkedBlockingQueue<>();
    private Flow.@Nullable Subscription subscription;

    /** Starts to receive the body. */
    static ResponseBody receive(Flow.Publisher<List<ByteBuffer>> publisher) {
        ResponseBody body = new ResponseBody();
        publisher.subscribe(body);
        return body;
    }

    @Override
    public void onSubscribe(Flow.Subscription subscription) {
        synchronized (this) {
            this.subscription = subscription;
        }
        subscription.request(AHEAD);
    }

    @Override
    public void onNext(List<ByteBuffer> bytes) {
        events.add(new Event(bytes, false, null));
    }

    @Override
    public void onError(Throwable error) {
        events.add(new Event(List.of(), true, error));
    }

    @Override
    public void onComplete() {
        events.add(new Event(List.of(), true, null));
    }

    /** The next piece; null at the end. Throws if none arrives within the limit, or the connection ends too early. */
    @Nullable
    List<ByteBuffer> next(Duration limit, HubListener listener) throws IOException {
        Event event = events.poll();
        for (long left = limit.toMillis(); event == null && left > 0; left -= Waiting.SLICE.toMillis()) {
            listener.waiting();
            event = poll(Math.min(left, Waiting.SLICE.toMillis()));
        }
        if (event == null) {
            throw new IOException("no data for " + Waiting.words(limit));
        }
        if (event.error() != null) {
            throw event.error() instanceof IOException e
                    ? new IOException("the connection was cut", e)
                    : new IOException(event.error());
        }
        if (event.isEnd()) {
            return null;
        }
        Objects.requireNonNull(subscription()).request(1);
        return event.bytes();
    }

    private @Nullable Event poll(long millis) {
        try {
            return events.poll(millis, TimeUnit.MILLISECONDS);
        } catch (InterruptedException e) {
            throw Waiting.interrupted(e);
        }
    }

    private synchronized Flow.@Nullable Subscription subscription() {
        return subscription;
    }

    /** The whole body. Throws if it has more than {@code max} bytes. */
    byte[] all(int max, Duration limit, HubListener listener) throws IOException {
        ByteArrayOutputStream all = new ByteArrayOutputStream();
        for (List<ByteBuffer> bytes = next(limit, listener); bytes != null; bytes = next(limit, listener)) {
            for (ByteBuffer each : bytes) {
                byte[] copy = new byte[each.remaining()];
                each.get(copy);
                all.writeBytes(copy);
            }
            if (all.size() > max) {
                throw new IOException("the answer has more than " + max + " bytes");
            }
        }
        return all.toByteArray();
    }

    /** Ends receiving; the connection is closed if the body has not ended. */
    @Override
    public void close() {
        Flow.Subscription current = subscription();
        if (current != null) {
            current.cancel();
        }
    }
}
