package org.dpo4j.train;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import org.dpo4j.kernels.LossType;
import org.dpo4j.kernels.PreferenceOptions;
import org.dpo4j.kernels.PreferenceOptions.Term;

/**
 * The line of the run header about the losses: weight, name and reduction of each, then options that differ from their
 * defaults.
 */
final class LossDescription {
    private LossDescription() {}

    static String of(DpoOptions options) {
        PreferenceOptions preference = options.preference();
        List<String> parts = new ArrayList<>();
        parts.add(preference.terms().stream().map(LossDescription::term).collect(Collectors.joining(" + ")));
        parts.add(preference.options());
        if (options.has(LossType.SIGMOID) && preference.options().contains("label_smoothing")) {
            parts.add("conservative DPO for sigmoid (cDPO; TRL 1.16 ignores label_smoothing there)");
        }
        if (options.ldAlpha() != 1) {
            parts.add("ld_alpha " + options.ldAlpha());
        }
        if (options.bcoRunningMean()) {
            parts.add("shifted by the running mean of rewards");
        }
        if (!preference.hasReference()) {
            parts.add("no reference");
        } else if (options.referenceFree()) {
            parts.add("reference-free");
        }
        return String.join(", ", parts);
    }

    private static String term(Term term) {
        String weight = term.weight() == 1 ? "" : term.weight() + " ";
        String over = switch (term.loss().reduction()) {
            case SUM -> "of sums";
            case AVERAGE -> "of averages";
            case TOKENS -> "a mean over chosen tokens";
            case BATCH -> "of sums sorted over the micro-batch";
        };
        return weight + term.loss().option() + " (" + over + ")";
    }
}
