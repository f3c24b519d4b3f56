package org.dpo4j.data;

import java.util.ArrayList;
import java.util.List;

/**
 * How many rows something holds for, and the places of the first of them.
 *
 * @param rows number of rows
 * @param first places of the first rows, each the file and the line or row: {@code pairs.jsonl line 17}
 */
public record RowCount(int rows, List<String> first) {

    /** Maximum number of places that are kept. */
    static final int MAX_PLACES = 5;

    public RowCount {
        first = List.copyOf(first);
    }

    static RowCount one(String place) {
        return new RowCount(1, List.of(place));
    }

    /** With one more row. */
    RowCount and(String place) {
        if (first.size() >= MAX_PLACES) {
            return new RowCount(rows + 1, first);
        }
        List<String> more = new ArrayList<>(first);
        more.add(place);
        return new RowCount(rows + 1, more);
    }

    /** The places, with what consecutive ones have in common written once: {@code line 4, 17, 33, ...}. */
    String places() {
        StringBuilder text = new StringBuilder();
        String before = "";
        for (String place : first) {
            String name = place.substring(place.lastIndexOf('/') + 1);
            int number = name.lastIndexOf(' ') + 1;
            String unit = name.substring(0, number);
            text.append(text.length() == 0 ? "" : ", ").append(unit.equals(before) ? name.substring(number) : name);
            before = unit;
        }
        return text + (rows > first.size() ? ", ..." : "");
    }
}
