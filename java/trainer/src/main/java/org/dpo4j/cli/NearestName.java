package org.dpo4j.cli;

import java.util.Collection;
import java.util.Comparator;

/** What somebody may have meant. */
public final class NearestName {
    private NearestName() {}

    /**
     * {@code "; did you mean --max_length?"}, or nothing where no name is near: at most a third of its letters differ.
     */
    public static String suggestion(String name, Collection<String> known) {
        return known.stream()
                .min(Comparator.<String>comparingInt(other -> distance(name, other))
                        .thenComparing(Comparator.naturalOrder()))
                .filter(nearest -> 3 * distance(name, nearest) <= Math.max(name.length(), nearest.length()))
                .map(nearest -> "; did you mean " + nearest + "?")
                .orElse("");
    }

    /** Letters to insert, delete or replace (Levenshtein 1965). */
    static int distance(String a, String b) {
        int[] row = new int[b.length() + 1];
        for (int j = 0; j <= b.length(); j++) {
            row[j] = j;
        }
        for (int i = 1; i <= a.length(); i++) {
            int diagonal = row[0];
            row[0] = i;
            for (int j = 1; j <= b.length(); j++) {
                int replaced = diagonal + (a.charAt(i - 1) == b.charAt(j - 1) ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.min(replaced, 1 + Math.min(row[j], row[j - 1]));
            }
        }
        return row[b.length()];
    }
}
