package org.dpo4j.cli;

import java.math.BigDecimal;
import java.util.List;
import java.util.Locale;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;

/**
 * Options of TRL and transformers that dpo4j does not implement, listed in {@code other-options.txt}. A value that
 * matches what dpo4j always does, or that changes no number, is accepted. Any other is refused with advice. So a TRL
 * config either means the same here, or the error says which option does not.
 *
 * @param name a name, or a prefix of names followed by {@code *}
 * @param accepted values that are accepted
 * @param instead advice for any other value
 */
record OtherOptions(String name, List<String> accepted, String instead) {

    private static final List<OtherOptions> ALL = TableFile.rows("other-options.txt", 3).stream()
            .map(cells -> new OtherOptions(cells[0], List.of(cells[1].split(" ")), cells[2]))
            .toList();

    private static @Nullable OtherOptions find(String name) {
        for (OtherOptions other : ALL) {
            boolean isPrefix =
                    other.name.endsWith("*") && name.startsWith(other.name.substring(0, other.name.length() - 1));
            if (isPrefix || other.name.equals(name)) {
                return other;
            }
        }
        return null;
    }

    /** All of them, in the order of the file. */
    static List<OtherOptions> all() {
        return ALL;
    }

    static boolean has(String name) {
        return find(name) != null;
    }

    /**
     * Throws unless {@code value} is accepted. The message begins with {@code written}, the option as the user wrote
     * it.
     */
    static void check(String written, String name, String value) {
        OtherOptions other = find(name);
        if (other == null || other.accepted.stream().anyMatch(accepted -> isSame(accepted, value))) {
            return;
        }
        throw new Dpo4jException(
                written + (value.isEmpty() ? "" : " ") + value + " is not supported: " + other.instead);
    }

    private static boolean isSame(String accepted, String value) {
        if (accepted.equals("''")) {
            return value.isEmpty();
        }
        if (accepted.equalsIgnoreCase(value.equals("None") ? "null" : value)) {
            return true;
        }
        Boolean truth = OptionTypes.truth(value.toLowerCase(Locale.ROOT));
        if (accepted.equals("true") || accepted.equals("false")) {
            return truth != null && truth == accepted.equals("true");
        }
        return isNumber(accepted) && isNumber(value) && new BigDecimal(accepted).compareTo(new BigDecimal(value)) == 0;
    }

    private static boolean isNumber(String text) {
        return text.matches("[-+]?[0-9]{1,9}(\\.[0-9]{0,9})?([eE][-+]?[0-9]{1,3})?");
    }
}
