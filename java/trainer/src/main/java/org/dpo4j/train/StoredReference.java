package org.dpo4j.train;

import java.util.List;

/**
 * Log-probs that were computed before the first step, or that the rows state.
 *
 * @param all those of each data set, in the order of {@link Objective#referenceRows}
 */
record StoredReference(List<ReferenceLogProbs> all) implements Reference {
    @Override
    public Sums sums(int rows, HostBuffer host) {
        return all.get(rows).batches(host);
    }
}
