package org.dpo4j.train;

import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import java.util.function.IntFunction;
import org.dpo4j.report.Diagnosis;
import org.dpo4j.report.RunListener;

/**
 * Counts the evaluation rows whose token ids are those of a training row. A training row is read only if an evaluation row
 * has its size. Rows are compared by hashes of 64 bits: of a million training and a hundred thousand other evaluation rows,
 * one is counted wrongly with a probability of 5e-9.
 *
 * @param sets number of such rows of each set that has some
 */
record TrainingOverlap(Map<EvalSet, Integer> sets) {

    /**
     * Compares the rows.
     *
     * @param sizeOf size of a training row, without reading it
     * @param evalSizeOf size of an evaluation row
     * @param ids token ids of a row: of its prompt, and of each completion
     */
    static <T> TrainingOverlap find(
            List<T> training,
            EvalRows<T> evaluation,
            IntFunction<?> sizeOf,
            IntFunction<?> evalSizeOf,
            Function<T, List<int[]>> ids) {
        Map<Object, Set<Long>> wanted = new HashMap<>();
        long[] hashes = new long[evaluation.size()];
        for (int row = 0; row < hashes.length; row++) {
            hashes[row] = hash(ids.apply(evaluation.get(row)));
            wanted.computeIfAbsent(evalSizeOf.apply(row), size -> new HashSet<>())
                    .add(hashes[row]);
        }
        Set<Long> found = new HashSet<>();
        for (int row = 0; row < training.size() && !wanted.isEmpty(); row++) {
            Set<Long> ofSize = wanted.get(sizeOf.apply(row));
            if (ofSize != null) {
                long hash = hash(ids.apply(training.get(row)));
                if (ofSize.contains(hash)) {
                    found.add(hash);
                }
            }
        }
        Map<EvalSet, Integer> counts = new LinkedHashMap<>();
        for (EvalSet set : evaluation.sets()) {
            for (int row : set.rows()) {
                if (found.contains(hashes[row])) {
                    counts.merge(set, 1, Integer::sum);
                }
            }
        }
        return new TrainingOverlap(counts);
    }

    /** FNV-1a over the numbers and lengths, then the last mixing step of SplitMix64. */
    private static long hash(List<int[]> parts) {
        long hash = 0xcbf29ce484222325L;
        for (int[] part : parts) {
            hash = (hash ^ part.length) * 0x100000001b3L;
            for (int id : part) {
                hash = (hash ^ id) * 0x100000001b3L;
                hash ^= hash >>> 29;
            }
        }
        hash = (hash ^ (hash >>> 30)) * 0xbf58476d1ce4e5b9L;
        hash = (hash ^ (hash >>> 27)) * 0x94d049bb133111ebL;
        return hash ^ (hash >>> 31);
    }

    /** Tells how many rows of each set are training rows. */
    void report(String unit, RunListener listener) {
        sets.forEach((set, count) -> listener.diagnosis(new Diagnosis(
                "evaluation_in_training",
                0,
                String.format(
                        Locale.ROOT,
                        "%,d of the %,d %s of eval_dataset%s are training rows too, so its metrics do not show how the"
                                + " model does on new rows; leave these rows out of one of the two",
                        count,
                        set.size(),
                        unit,
                        set.name().isEmpty() ? "" : " " + set.name()))));
    }
}
