package org.dpo4j.data.source;

import java.math.BigInteger;
import java.util.Comparator;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Orders names with their numbers by value: {@code part-2} before {@code part-10}. */
final class NaturalOrder {
    private static final Pattern PIECE = Pattern.compile("[0-9]+|[^0-9]+");

    static final Comparator<String> NAMES = Comparator.<String, String>comparing(name -> name, NaturalOrder::compare)
            .thenComparing(name -> name);

    private NaturalOrder() {}

    private static int compare(String a, String b) {
        Matcher left = PIECE.matcher(a);
        Matcher right = PIECE.matcher(b);
        while (left.find()) {
            if (!right.find()) {
                return 1;
            }
            int order = comparePieces(left.group(), right.group());
            if (order != 0) {
                return order;
            }
        }
        return right.find() ? -1 : 0;
    }

    private static int comparePieces(String a, String b) {
        return isNumber(a) && isNumber(b) ? new BigInteger(a).compareTo(new BigInteger(b)) : a.compareTo(b);
    }

    private static boolean isNumber(String piece) {
        return Character.digit(piece.charAt(0), 10) >= 0;
    }
}
