package org.dpo4j.data.chat.jinja;

/** Python's binary operators, with the formatting of texts by %. */
final class Operators {
    private Operators() {}

    static Object apply(String operator, Object a, Object b) {
        if (operator.equals("%") && a instanceof String format) {
            return PercentFormat.format(format, b);
        }
        return Arithmetic.apply(operator, a, b);
    }
}
