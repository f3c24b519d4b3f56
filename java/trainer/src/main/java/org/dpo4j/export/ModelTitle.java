package org.dpo4j.export;

import java.util.Arrays;
import java.util.Locale;
import java.util.stream.Collectors;

/** The name of a model or data set in words, made from that of a directory or of the hub. */
final class ModelTitle {
    private static final String VERSION = "(v\\d+(?:\\.\\d+)*|\\d.*)";

    private ModelTitle() {}

    /** A name for people: words with a capital letter, unless they are versions or have one already. */
    static String find(String name) {
        return Arrays.stream(name.strip().replace('-', ' ').split("\\s+"))
                .map(word ->
                        word.equals(word.toLowerCase(Locale.ROOT)) && !word.matches(VERSION) ? capital(word) : word)
                .collect(Collectors.joining(" "));
    }

    /** Each letter after one that is no letter becomes a capital. */
    private static String capital(String word) {
        StringBuilder text = new StringBuilder(word);
        for (int i = 0; i < text.length(); i++) {
            if (i == 0 || !Character.isLetter(text.charAt(i - 1))) {
                text.setCharAt(i, Character.toUpperCase(text.charAt(i)));
            }
        }
        return text.toString();
    }
}
