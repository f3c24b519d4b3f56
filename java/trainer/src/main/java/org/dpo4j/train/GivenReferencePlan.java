package org.dpo4j.train;

import java.util.List;
import org.dpo4j.report.RunListener;

/**
 * Log-probs that the rows state.
 *
 * @param rows the data sets; one that the run does not read states none
 */
record GivenReferencePlan(List<ReferenceRows<?>> rows) implements ReferencePlan {
    private static final float[] NOTHING = {};

    @Override
    public String fact() {
        return "log-probs that the rows state: ref_chosen_logps and ref_rejected_logps";
    }

    @Override
    public Reference begin(RunListener listener) {
        return new StoredReference(rows.stream()
                .map(part -> new ReferenceLogProbs(part.given() == null ? NOTHING : part.given(), part.sums()))
                .toList());
    }
}
