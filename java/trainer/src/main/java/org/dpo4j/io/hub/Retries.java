package org.dpo4j.io.hub;

import java.io.IOException;
import java.time.Duration;

/**
 * How often a request is sent again: 5 times without any progress, after 1, 2, 4 and 8 seconds, or after the time that the
 * server asks for, as huggingface_hub does.
 */
final class Retries {
    static final int MAX = 5;

    private static final int MAX_OWN_SECONDS = 8;
    /** The time after which the hub's limits of requests begin anew. */
    private static final Duration MAX_ASKED = Duration.ofMinutes(5);

    private final String host;
    private final Waiting waiting;
    private final HubListener listener;
    private final int max;
    private int failed;

    /** {@code max}: how often a request is sent again. */
    Retries(String host, Waiting waiting, HubListener listener, int max) {
        this.max = max;
        this.host = host;
        this.waiting = waiting;
        this.listener = listener;
    }

    /** Data have arrived, so the network works. */
    void progressed() {
        failed = 0;
    }

    /** Waits before the next attempt. Throws if there have been too many, or the wait is too long. */
    void failed(IOException e) throws UnreachableException {
        failed++;
        Duration asked = e instanceof BusyException busy ? busy.asked() : null;
        if (failed > max) {
            throw unreachable(reason(e) + (failed == 1 ? "" : ", " + failed + " times"), e);
        }
        if (asked != null && asked.compareTo(MAX_ASKED) > 0) {
            throw unreachable(reason(e) + " and asks to wait " + asked.toSeconds() + " s", e);
        }
        Duration wait = asked == null ? Duration.ofSeconds(Math.min(MAX_OWN_SECONDS, 1L << (failed - 1))) : asked;
        listener.notice(reason(e) + "; trying again in " + wait.toSeconds() + " s");
        waiting.pause(wait, listener);
    }

    private String reason(IOException e) {
        String message = e.getMessage();
        return e instanceof BusyException
                ? String.valueOf(message)
                : host + ": " + (message == null ? words(e) : message);
    }

    /** Java's exceptions of connections often have no message. */
    private static String words(IOException e) {
        return switch (e.getClass().getSimpleName()) {
            case "ConnectException", "UnresolvedAddressException" -> "it cannot be connected to";
            case "HttpConnectTimeoutException" -> "it does not accept a connection in time";
            default -> "the connection failed (" + e.getClass().getSimpleName() + ")";
        };
    }

    private static UnreachableException unreachable(String why, IOException e) {
        return new UnreachableException(
                "the hub cannot be reached (" + why + "); check the network and HF_ENDPOINT, and give the same command"
                        + " again: it goes on where this one stopped",
                e);
    }
}
