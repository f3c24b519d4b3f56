package org.dpo4j.cli;

import java.util.Arrays;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/** Suggests a known name for an unknown one. */
public final class NearestName {
    /** Common other names, each with the options it may mean, the likeliest first. */
    private static final Map<String, List<String>> SYNONYMS = synonyms();

    private NearestName() {}

    private static Map<String, List<String>> synonyms() {
        Map<String, List<String>> synonyms = new HashMap<>();
        for (String[] row : TableFile.rows("synonyms.txt", 2)) {
            for (String name : row[0].split(" ")) {
                synonyms.put(name, List.of(row[1].split(" ")));
            }
        }
        return synonyms;
    }

    /**
     * {@code "; did you mean max_length?"}: the known name that this one is a synonym of, else the nearest known name
     * if at most a third of its letters differ; empty if there is neither.
     */
    public static String suggestion(String name, Collection<String> known) {
        return synonym(name.toLowerCase(Locale.ROOT), known)
                .or(() -> nearest(name, known))
                .map(found -> "; did you mean " + found + "?")
                .orElse("");
    }

    private static Optional<String> synonym(String name, Collection<String> known) {
        return SYNONYMS.getOrDefault(name, List.of()).stream()
                .filter(known::contains)
                .findFirst();
    }

    private static Optional<String> nearest(String name, Collection<String> known) {
        return known.stream()
                .min(Comparator.<String>comparingInt(other -> distance(name, other))
                        .thenComparing(Comparator.naturalOrder()))
                .filter(nearest -> 3 * distance(name, nearest) <= Math.max(name.length(), nearest.length()));
    }

    /** Number of letters to insert, delete or replace (Levenshtein 1965). */
    static int distance(String a, String b) {
        int[] row = new int[b.length() + 1];
        Arrays.setAll(row, j -> j);
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
