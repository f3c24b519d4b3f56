package org.dpo4j.quickstart;

import java.util.ArrayList;
import java.util.List;

/** Texts in two columns, wrapped between words. */
final class SideBySide {
    private static final int WIDTH = 46;

    private final StringBuilder lines = new StringBuilder();

    SideBySide(String left, String right) {
        add(left, right);
        rule();
    }

    void add(String left, String right) {
        List<String> lefts = wrap(left);
        List<String> rights = wrap(right);
        for (int i = 0; i < Math.max(lefts.size(), rights.size()); i++) {
            String row = pad(i < lefts.size() ? lefts.get(i) : "") + " | " + (i < rights.size() ? rights.get(i) : "");
            lines.append(row.stripTrailing()).append('\n');
        }
    }

    void rule() {
        lines.append("-".repeat(WIDTH)).append("-+-").append("-".repeat(WIDTH)).append('\n');
    }

    @Override
    public String toString() {
        return lines.toString();
    }

    private static String pad(String text) {
        return text + " ".repeat(WIDTH - text.length());
    }

    private static List<String> wrap(String text) {
        List<String> wrapped = new ArrayList<>(List.of(""));
        for (String word : text.split(" ")) {
            String line = wrapped.get(wrapped.size() - 1);
            if (line.isEmpty()) {
                wrapped.set(wrapped.size() - 1, word);
            } else if (line.length() + 1 + word.length() <= WIDTH) {
                wrapped.set(wrapped.size() - 1, line + " " + word);
            } else {
                wrapped.add(word);
            }
        }
        return wrapped;
    }
}
