package org.dpo4j.data.chat.jinja;

import java.util.ArrayList;
import java.util.List;

/** The filter tojson of transformers: Python's json.dumps without the escapes that jinja2 adds for HTML. */
final class Json {
    private final boolean isAscii;
    private final boolean isSorted;
    private final boolean isIndented;
    private final String indent;
    private final String itemSeparator;
    private final String keySeparator;
    private final StringBuilder out = new StringBuilder();

    private Json(Arguments.Bound options) {
        isAscii = Compare.isTrue(options.or(0, false));
        Object indentation = options.or(1, None.NONE);
        isIndented = !(indentation instanceof None);
        indent = indent(indentation);
        isSorted = Compare.isTrue(options.or(3, false));
        Object separators = options.or(2, None.NONE);
        if (separators instanceof None) {
            itemSeparator = isIndented ? "," : ", ";
            keySeparator = ": ";
            return;
        }
        List<Object> pair =
                separators instanceof List || separators instanceof Tuple ? Compare.items(separators) : null;
        if (pair == null || pair.size() != 2) {
            throw new TemplateError("separators of tojson must be a list or tuple of two texts");
        }
        itemSeparator = Text.expect(pair.get(0), "a separator");
        keySeparator = Text.expect(pair.get(1), "a separator");
    }

    private static String indent(Object indentation) {
        if (indentation instanceof None) {
            return "";
        }
        if (indentation instanceof String text) {
            return text;
        }
        long width = Arithmetic.small(indentation, "indent of tojson");
        if (width > 1000) {
            throw new TemplateError("an indent of " + width + " in tojson");
        }
        return " ".repeat((int) Math.max(0, width));
    }

    static Object apply(Object value, Arguments arguments) {
        Json json = new Json(arguments.bind("tojson", "ensure_ascii?", "indent?", "separators?", "sort_keys?"));
        json.write(value, "\n");
        return json.out.toString();
    }

    private void write(Object value, String line) {
        Text.checkLength(out.length());
        if (value instanceof String text) {
            writeText(text);
        } else if (value instanceof Markup markup) {
            writeText(markup.text());
        } else if (value instanceof Undefined undefined) {
            throw undefined.error();
        } else if (value instanceof None) {
            out.append("null");
        } else if (value instanceof Boolean) {
            out.append(value);
        } else if (Compare.isNumber(value)) {
            out.append(number(value));
        } else if (value instanceof Dict dict) {
            writeDict(dict, line);
        } else if (value instanceof List || value instanceof Tuple) {
            writeItems(value, line);
        } else {
            throw new TemplateError("tojson of a value of type " + Types.name(value) + " is not supported");
        }
    }

    private static String number(Object value) {
        if (value instanceof Double number) {
            return Text.number(Arithmetic.finite(number));
        }
        return Text.number(Arithmetic.whole(value));
    }

    private void writeItems(Object value, String line) {
        List<Object> items = Compare.items(value);
        if (items == null || items.isEmpty()) {
            out.append("[]");
            return;
        }
        String inner = line + indent;
        String separator = isIndented ? inner : "";
        out.append('[');
        for (Object item : items) {
            out.append(separator);
            write(item, inner);
            separator = isIndented ? itemSeparator + inner : itemSeparator;
        }
        out.append(isIndented ? line : "").append(']');
    }

    private void writeDict(Dict dict, String line) {
        if (dict.size() == 0) {
            out.append("{}");
            return;
        }
        String inner = line + indent;
        String separator = isIndented ? inner : "";
        out.append('{');
        for (Object entry : entries(dict)) {
            List<Object> pair = ((Tuple) entry).items();
            out.append(separator);
            writeText(key(pair.get(0)));
            out.append(keySeparator);
            write(pair.get(1), inner);
            separator = isIndented ? itemSeparator + inner : itemSeparator;
        }
        out.append(isIndented ? line : "").append('}');
    }

    private List<Object> entries(Dict dict) {
        List<Object> entries = dict.items();
        if (isSorted) {
            List<Object> sorted = new ArrayList<>(entries);
            sorted.sort(Compare::order);
            return sorted;
        }
        return entries;
    }

    private static String key(Object key) {
        if (key instanceof String || key instanceof Markup) {
            return Text.str(key);
        }
        if (key instanceof None) {
            return "null";
        }
        if (key instanceof Boolean isTrue) {
            return isTrue.toString();
        }
        if (Compare.isNumber(key)) {
            return number(key);
        }
        throw new TemplateError("tojson of a dict with a key of type " + Types.name(key) + " is not supported");
    }

    private void writeText(String text) {
        out.append('"');
        for (int i = 0; i < text.length(); i++) {
            char character = text.charAt(i);
            switch (character) {
                case '"' -> out.append("\\\"");
                case '\\' -> out.append("\\\\");
                case '\n' -> out.append("\\n");
                case '\r' -> out.append("\\r");
                case '\t' -> out.append("\\t");
                case '\f' -> out.append("\\f");
                case '\b' -> out.append("\\b");
                default -> {
                    if (character < ' ' || isAscii && character > '~') {
                        out.append(String.format("\\u%04x", (int) character));
                    } else {
                        out.append(character);
                    }
                }
            }
        }
        out.append('"');
    }
}
