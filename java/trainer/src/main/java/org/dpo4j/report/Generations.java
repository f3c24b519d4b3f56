package org.dpo4j.report;

import java.util.List;
import java.util.Locale;

/**
 * Samples of policy and reference for the same prompts, generated at an evaluation.
 *
 * @param step optimizer steps done
 * @param samples one for each prompt
 */
public record Generations(int step, List<GeneratedSample> samples) {
    /** Maximum characters of a prompt or continuation in {@link #toString}. */
    private static final int SHOWN = 100;

    public Generations {
        samples = List.copyOf(samples);
    }

    /** Three lines for each prompt, for a person: the end of the prompt, and the start of both continuations. */
    @Override
    public String toString() {
        StringBuilder text = new StringBuilder("step " + step + "  samples");
        for (GeneratedSample sample : samples) {
            text.append(line("prompt", end(sample.prompt())))
                    .append(line("policy", described(sample.policy())))
                    .append(line("reference", described(sample.reference())));
        }
        return text.toString();
    }

    private static String line(String name, String text) {
        return String.format("%n  %-9s  %s", name, text);
    }

    private static String described(GeneratedSample.Continuation continuation) {
        Double reward = continuation.reward();
        return (reward == null ? "" : String.format(Locale.ROOT, "[%+.3f] ", reward)) + start(continuation.text());
    }

    private static String start(String text) {
        String shown = printable(text);
        return shown.length() <= SHOWN ? shown : shown.substring(0, SHOWN - 1) + "…";
    }

    private static String end(String text) {
        String shown = printable(text);
        return shown.length() <= SHOWN ? shown : "…" + shown.substring(shown.length() - SHOWN + 1);
    }

    /** The text in one line, without control characters, which could change a terminal. */
    private static String printable(String text) {
        return text.replaceAll("\\s+", " ").replaceAll("\\p{Cntrl}", "?").strip();
    }
}
