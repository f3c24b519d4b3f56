package org.dpo4j.io.hub;

import java.io.IOException;
import java.net.http.HttpHeaders;
import java.time.Duration;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.time.format.DateTimeParseException;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** A server cannot answer now, and may answer later. */
final class BusyException extends IOException {
    private static final long serialVersionUID = 1;

    /** Those that huggingface_hub tries again. */
    private static final Set<Integer> STATUSES = Set.of(408, 429, 500, 502, 503, 504);

    /** draft-ietf-httpapi-ratelimit-headers: what is left, and seconds until there is more. */
    private static final Pattern RATE = Pattern.compile(".*;\\s*r\\s*=\\s*0\\s*;\\s*t\\s*=\\s*([0-9]{1,9})\\b.*");

    private final @Nullable Duration wait;

    private BusyException(String message, @Nullable Duration wait) {
        super(message);
        this.wait = wait;
    }

    static boolean isBusy(int status) {
        return STATUSES.contains(status);
    }

    static BusyException answered(String host, int status, HttpHeaders headers) {
        String words = status == 429 ? " (too many requests)" : "";
        return new BusyException(host + " answered " + status + words, wait(headers));
    }

    /** How long the server asks to wait; null: it does not say. */
    @Nullable
    Duration asked() {
        return wait;
    }

    /** Retry-After of RFC 9110, 10.2.3: seconds or a date. */
    private static @Nullable Duration wait(HttpHeaders headers) {
        Matcher rate = RATE.matcher(headers.firstValue("RateLimit").orElse(""));
        String after = headers.firstValue("Retry-After")
                .orElse(rate.matches() ? rate.group(1) : "")
                .strip();
        if (after.matches("[0-9]{1,9}")) {
            return Duration.ofSeconds(Long.parseLong(after));
        }
        try {
            Duration until = Duration.between(
                    ZonedDateTime.now(), ZonedDateTime.parse(after, DateTimeFormatter.RFC_1123_DATE_TIME));
            return until.isNegative() ? Duration.ZERO : until;
        } catch (DateTimeParseException e) {
            return null;
        }
    }
}
