package org.dpo4j.quickstart;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/**
 * Sentiment words, each with a value from -2 (worst) to 2 (best). They are the ground truth of the experiment.
 */
final class Lexicon {

    /**
     * A sentiment word.
     *
     * @param part part of speech: adjective, noun or verb
     * @param value -2, -1, 1 or 2
     */
    record Entry(String part, int value, String word) {}

    static final List<Entry> ENTRIES = """
        adjective  2 wonderful superb brilliant stunning flawless dazzling masterful
        adjective  1 good charming clever warm tender elegant lively fresh
        adjective -1 weak slow clumsy dull shallow tedious stale bland
        adjective -2 terrible awful horrible painful worthless dreadful atrocious
        noun  2 triumph masterpiece gem
        noun  1 delight treat pleasure
        noun -1 bore letdown chore
        noun -2 disaster waste failure
        verb  2 loved adored treasured
        verb  1 enjoyed admired liked
        verb -1 disliked regretted endured
        verb -2 hated despised loathed
        """.lines().flatMap(line -> {
        String[] words = line.split(" +");
        return Arrays.stream(words, 2, words.length).map(word -> new Entry(words[0], Integer.parseInt(words[1]), word));
    }).toList();

    private static final Map<String, Integer> VALUES =
            ENTRIES.stream().collect(Collectors.toMap(Entry::word, Entry::value));

    private Lexicon() {}

    /** Sentiment of a text, from -1 to 1: half the mean value of its sentiment words; 0 if it has none. */
    static double sentiment(String text) {
        return Arrays.stream(text.split(" "))
                        .filter(VALUES::containsKey)
                        .mapToInt(VALUES::get)
                        .average()
                        .orElse(0)
                / 2;
    }

    /** The positive or the negative words of one part of speech. */
    static List<String> words(String part, boolean isPositive) {
        return ENTRIES.stream()
                .filter(entry -> entry.part().equals(part) && entry.value() > 0 == isPositive)
                .map(Entry::word)
                .toList();
    }
}
