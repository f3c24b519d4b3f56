package org.dpo4j.data;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.stream.StreamSupport;

/** The strings of {@code golden/tokenizer_strings.py}, made from the same pieces with the same random numbers. */
final class GeneratedStrings {
    /** Knuth's 64-bit linear congruential generator; a number is the upper 31 bits, modulo a bound. */
    private static final class Chance {
        private long state;

        Chance(long seed) {
            state = seed;
            below(1);
        }

        int below(int bound) {
            state = state * 6364136223846793005L + 1442695040888963407L;
            return (int) ((state >>> 33) % bound);
        }

        String choice(String[] values) {
            return values[below(values.length)];
        }
    }

    private final String[] words;
    private final String[] marks;
    private final String[] spelled;
    private final String[] odd;
    private final String[] spaces;
    private final JsonNode ranges;

    GeneratedStrings(JsonNode golden) {
        words = strings(golden.get("words"));
        marks = strings(golden.get("marks"));
        spelled = strings(golden.get("spelled"));
        odd = strings(golden.get("odd"));
        spaces = strings(golden.get("spaces"));
        ranges = golden.get("ranges");
    }

    String string(int number) {
        Chance chance = new Chance(number);
        StringBuilder text = new StringBuilder();
        for (int pieces = 1 + chance.below(10); pieces > 0; pieces--) {
            text.append(piece(chance)).append(chance.choice(spaces));
        }
        return text.toString();
    }

    private String piece(Chance chance) {
        switch (chance.below(8)) {
            case 0:
            case 1:
            case 2:
                return chance.choice(words);
            case 3:
                return chance.choice(words) + chance.choice(marks);
            case 4:
                return chance.choice(spelled);
            case 5:
                return chance.choice(odd);
            case 6:
                return number(chance);
            default:
                return characters(chance);
        }
    }

    private static String number(Chance chance) {
        int bound = 10;
        for (int digits = chance.below(6); digits > 0; digits--) {
            bound *= 10;
        }
        return Integer.toString(chance.below(bound));
    }

    private String characters(Chance chance) {
        JsonNode range = ranges.get(chance.below(ranges.size()));
        int first = range.get(0).intValue();
        int size = range.get(1).intValue() - first;
        StringBuilder text = new StringBuilder();
        for (int count = 1 + chance.below(4); count > 0; count--) {
            text.appendCodePoint(first + chance.below(size));
        }
        return text.toString();
    }

    static String[] strings(JsonNode list) {
        return StreamSupport.stream(list.spliterator(), false)
                .map(JsonNode::textValue)
                .toArray(String[]::new);
    }
}
