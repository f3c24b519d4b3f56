package org.dpo4j.data.chat.jinja;

import java.time.ZonedDateTime;
import java.time.format.TextStyle;
import java.util.Locale;

/** strftime in the C locale. */
final class Dates {
    private Dates() {}

    static String format(String format, ZonedDateTime date) {
        StringBuilder out = new StringBuilder();
        for (int i = 0; i < format.length(); i++) {
            char character = format.charAt(i);
            if (character != '%') {
                out.append(character);
                continue;
            }
            boolean isUnpadded = i + 1 < format.length() && format.charAt(i + 1) == '-';
            i += isUnpadded ? 2 : 1;
            String directive = i < format.length() ? format.substring(i, i + 1) : "";
            String text = directive(directive, date);
            out.append(isUnpadded ? unpadded(text, directive) : text);
        }
        return out.toString();
    }

    private static String unpadded(String text, String directive) {
        if (!"dmyHIMSj".contains(directive)) {
            throw unsupported("-" + directive);
        }
        String digits = text.replaceFirst("^0+", "");
        return digits.isEmpty() ? "0" : digits;
    }

    private static TemplateError unsupported(String directive) {
        return new TemplateError("%" + directive + " in the format of a date is not supported");
    }

    private static String directive(String directive, ZonedDateTime date) {
        return switch (directive) {
            case "Y" -> Integer.toString(date.getYear());
            case "m" -> two(date.getMonthValue());
            case "d" -> two(date.getDayOfMonth());
            case "e" -> String.format("%2d", date.getDayOfMonth());
            case "y" -> two(date.getYear() % 100);
            case "H" -> two(date.getHour());
            case "I" -> two((date.getHour() + 11) % 12 + 1);
            case "M" -> two(date.getMinute());
            case "S" -> two(date.getSecond());
            case "f" -> String.format("%06d", date.getNano() / 1000);
            case "j" -> String.format("%03d", date.getDayOfYear());
            case "p" -> date.getHour() < 12 ? "AM" : "PM";
            case "B" -> date.getMonth().getDisplayName(TextStyle.FULL, Locale.ENGLISH);
            case "b", "h" ->
                date.getMonth().getDisplayName(TextStyle.SHORT, Locale.ENGLISH).substring(0, 3);
            case "A" -> date.getDayOfWeek().getDisplayName(TextStyle.FULL, Locale.ENGLISH);
            case "a" -> date.getDayOfWeek().getDisplayName(TextStyle.SHORT, Locale.ENGLISH);
            case "w" -> Integer.toString(date.getDayOfWeek().getValue() % 7);
            case "u" -> Integer.toString(date.getDayOfWeek().getValue());
            case "F" -> format("%Y-%m-%d", date);
            case "T" -> format("%H:%M:%S", date);
            case "R" -> format("%H:%M", date);
            case "D", "x" -> format("%m/%d/%y", date);
            case "X" -> format("%H:%M:%S", date);
            case "c" -> format("%a %b %e %H:%M:%S %Y", date);
            case "n" -> "\n";
            case "t" -> "\t";
            case "%" -> "%";
            default -> throw unsupported(directive);
        };
    }

    private static String two(int number) {
        return String.format("%02d", number);
    }
}
