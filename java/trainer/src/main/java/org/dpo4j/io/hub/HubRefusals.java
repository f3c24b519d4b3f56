package org.dpo4j.io.hub;

import java.net.http.HttpHeaders;
import java.util.Locale;
import org.dpo4j.io.OneLine;
import org.dpo4j.kernels.Dpo4jException;

/**
 * The errors for answers of the hub that another attempt does not change. {@code X-Error-Code} says why, as in
 * {@code hf_raise_for_status} of huggingface_hub.
 *
 * @param page address of the repository's page, for people
 * @param hasToken whether the request had a token
 */
record HubRefusals(HubRepository repository, String page, boolean hasToken) {
    private static final int UNAUTHORIZED = 401;
    private static final int FORBIDDEN = 403;
    private static final int NOT_FOUND = 404;
    private static final int MAX_WORDS = 200;

    private static final String LOGIN = "set HF_TOKEN to a token of your account, or run: hf auth login";

    Dpo4jException refusal(String what, int status, HttpHeaders headers) {
        String code = headers.firstValue("X-Error-Code").orElse("").toLowerCase(Locale.ROOT);
        String why = switch (code) {
            case "gatedrepo" -> gated();
            case "revisionnotfound" -> withoutRevision();
            case "entrynotfound" -> what + " is not in it; give another " + repository.revisionOption();
            case "reponotfound" -> unknown();
            default -> byStatus(status);
        };
        return new Dpo4jException(repository + ": " + why + said(status, headers));
    }

    private String byStatus(int status) {
        return switch (status) {
            case UNAUTHORIZED -> hasToken ? "the hub does not accept the token; " + LOGIN : unknown();
            case FORBIDDEN ->
                "the hub refuses access"
                        + (hasToken
                                ? " to the account of the token; give the token the right to read " + page
                                : "; " + LOGIN);
            case NOT_FOUND -> unknown();
            default -> "the hub refuses the request; check HF_ENDPOINT and the name";
        };
    }

    private String gated() {
        return "its authors ask who uses it; accept its conditions at " + page + ", and "
                + (hasToken
                        ? "use a token of that account that may read gated repositories: the account of the token has no"
                                + " access"
                        : LOGIN);
    }

    private String withoutRevision() {
        String revision = repository.revision();
        return revision.equals(HubRepository.MAIN)
                ? "it has no branch main; give its branch as " + repository.revisionOption()
                : "the hub has no revision " + revision + "; correct " + repository.revisionOption();
    }

    private String unknown() {
        return "the hub has none of this name that " + (hasToken ? "the account of the token" : "everyone")
                + " may read; correct the name, or for a private one "
                + (hasToken ? "use a token of an account that may read it" : LOGIN);
    }

    /** The status, and the words of the hub, which are the server's and not trusted to be one line. */
    private static String said(int status, HttpHeaders headers) {
        String words = OneLine.visible(headers.firstValue("X-Error-Message").orElse(""));
        String cut = words.length() <= MAX_WORDS ? words : words.substring(0, MAX_WORDS) + "...";
        return " (status " + status + (cut.isEmpty() ? ")" : ": " + cut + ")");
    }
}
