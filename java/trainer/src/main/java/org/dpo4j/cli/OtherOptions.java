package org.dpo4j.cli;

import java.math.BigDecimal;
import java.util.List;
import java.util.Locale;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;

/**
 * Options of TRL and transformers that dpo4j has not: {@code other-options.txt}. One whose value asks for what holds
 * anyway, or that changes no number, is taken; every other is refused with what to do instead, so that a config of TRL's
 * either means here what it means there or says where it does not.
 *
 * @param name or the beginning of names, with a star
 * @param holding values that are taken
 * @param instead what to do
 */
record OtherOptions(String name, List<String> holding, String instead) {

    private static final List<OtherOptions> ALL = TableFile.rows("other-options.txt", 3).stream()
            .map(cells -> new OtherOptions(cells[0], List.of(cells[1].split(" ")), cells[2]))
            .toList();

    private static @Nullable OtherOptions find(String name) {
        for (OtherOptions other : ALL) {
            boolean isFamily =
                    other.name.endsWith("*") && name.startsWith(other.name.substring(0, other.name.length() - 1));
            if (isFamily || other.name.equals(name)) {
                return other;
            }
        }
        return null;
    }

    static boolean has(String name) {
        return find(name) != null;
    }

    /** Throws unless {@code value} asks for what holds anyway; {@code written} is how the option was given. */
    static void check(String written, String name, String value) {
        OtherOptions other = find(name);
        if (other == null || other.holding.stream().anyMatch(held -> isSame(held, value))) {
            return;
        }
        throw new Dpo4jException(
                written + (value.isEmpty() ? "" : " ") + value + " is not supported: " + other.instead);
    }

    private static boolean isSame(String held, String value) {
        if (held.equals("''")) {
            return value.isEmpty();
        }
        if (held.equalsIgnoreCase(value.equals("None") ? "null" : value)) {
            return true;
        }
        Boolean truth = OptionTypes.truth(value.toLowerCase(Locale.ROOT));
        if (held.equals("true") || held.equals("false")) {
            return truth != null && truth == held.equals("true");
        }
        return isNumber(held) && isNumber(value) && new BigDecimal(held).compareTo(new BigDecimal(value)) == 0;
    }

    private static boolean isNumber(String text) {
        return text.matches("[-+]?[0-9]{1,9}(\\.[0-9]{0,9})?([eE][-+]?[0-9]{1,3})?");
    }
}
