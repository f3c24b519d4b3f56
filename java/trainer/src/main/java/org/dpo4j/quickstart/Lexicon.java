package org.dpo4j.quickstart;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/**
 * Words that judge, each with what it says of a film: from -2, the worst, to 2, the best. The experiment's ground
 * truth.
 */
final class Lexicon {

    /**
     * A word that judges.
     *
     * @param part its place in a sentence: adjective, noun or verb
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

    /** Sentiment of a text, from -1 to 1: half the mean value of the words in it that judge; 0 where none does. */
    static double sentiment(String text) {
        return Arrays.stream(text.split(" "))
                        .filter(VALUES::containsKey)
                        .mapToInt(VALUES::get)
                        .average()
                        .orElse(0)
                / 2;
    }

    /** The words of one part that praise, or that blame. */
    static List<String> words(String part, boolean praise) {
        return ENTRIES.stream()
                .filter(entry -> entry.part().equals(part) && entry.value() > 0 == praise)
                .map(Entry::word)
                .toList();
    }
}
