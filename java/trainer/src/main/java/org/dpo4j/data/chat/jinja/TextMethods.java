package org.dpo4j.data.chat.jinja;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** The methods of Python's str. */
final class TextMethods {
    /** Methods and attributes that str has and that are refused. */
    private static final Set<String> REFUSED = Set.of("encode", "format_map", "maketrans", "translate", "isidentifier");

    private static final Map<String, Method> ALL = new HashMap<>();

    /** A method of a text. */
    interface Method {
        Object call(String text, Arguments arguments);
    }

    static {
        addCases();
        addSearches();
        addSplits();
        addTests();
        addPadding();
    }

    private TextMethods() {}

    /** The method of that name, bound to the text; null if str has none. */
    static @Nullable Object find(String text, String name) {
        Method method = ALL.get(name);
        if (method != null) {
            return new Function(name, arguments -> method.call(text, arguments));
        }
        if (REFUSED.contains(name)) {
            throw new TemplateError("the method " + name + " of a text is not supported");
        }
        return null;
    }

    private static void addCases() {
        plain("capitalize", Strings::capitalize);
        plain("casefold", TextMethods::caseFold);
        plain("lower", Unicode::lower);
        plain("upper", Unicode::upper);
        plain("title", Strings::title);
        plain("swapcase", Strings::swapCase);
    }

    private static Object caseFold(String text) {
        if (!Unicode.all(text, character -> character < 0x80) && !text.isEmpty()) {
            throw new TemplateError("casefold of a text beyond ASCII is not supported");
        }
        return Unicode.lower(text);
    }

    private interface Plain {
        Object call(String text);
    }

    private static void plain(String name, Plain method) {
        ALL.put(name, (text, arguments) -> {
            arguments.bindPositional(name, 0, 0);
            return method.call(text);
        });
    }

    private static void addTests() {
        plain("isalnum", text -> Unicode.all(text, Unicode::isAlphanumeric));
        plain("isalpha", text -> Unicode.all(text, Unicode::isLetter));
        plain("isascii", text -> text.isEmpty() || Unicode.all(text, character -> character < 0x80));
        plain("isdecimal", text -> Unicode.all(text, Unicode::isDecimal));
        plain("isdigit", text -> Unicode.all(text, Unicode::isDigit));
        plain("isnumeric", text -> Unicode.all(text, Unicode::isNumeric));
        plain("isprintable", text -> text.isEmpty() || Unicode.all(text, Unicode::isPrintable));
        plain("isspace", text -> Unicode.all(text, Unicode::isSpace));
        plain("islower", Strings::isLower);
        plain("isupper", Strings::isUpper);
        plain("istitle", Strings::isTitle);
    }

    private static void addSearches() {
        ALL.put("startswith", (text, arguments) -> matches("startswith", text, arguments));
        ALL.put("endswith", (text, arguments) -> matches("endswith", text, arguments));
        ALL.put("find", (text, arguments) -> find("find", text, arguments, true));
        ALL.put("rfind", (text, arguments) -> find("rfind", text, arguments, false));
        ALL.put("index", (text, arguments) -> required(find("index", text, arguments, true)));
        ALL.put("rindex", (text, arguments) -> required(find("rindex", text, arguments, false)));
        ALL.put("count", TextMethods::count);
        ALL.put("removeprefix", (text, arguments) -> {
            String prefix =
                    Text.expect(arguments.bindPositional("removeprefix", 1, 1).required(0), "the prefix");
            return text.startsWith(prefix) ? text.substring(prefix.length()) : text;
        });
        ALL.put("removesuffix", (text, arguments) -> {
            String suffix =
                    Text.expect(arguments.bindPositional("removesuffix", 1, 1).required(0), "the suffix");
            return text.endsWith(suffix) ? text.substring(0, text.length() - suffix.length()) : text;
        });
        ALL.put("replace", (text, arguments) -> {
            Arguments.Bound bound = arguments.bindPositional("replace", 2, 3);
            return Strings.replace(
                    text,
                    Text.expect(bound.required(0), "the text to replace"),
                    Text.expect(bound.required(1), "the replacement"),
                    Arithmetic.small(bound.or(2, -1L), "the count of replace"));
        });
    }

    private static Object required(Object place) {
        if (place.equals(-1L)) {
            throw new TemplateError("index: the text does not contain what is searched");
        }
        return place;
    }

    /** The part of the text that the optional arguments start and end select; null if start is behind the end. */
    private static @Nullable String part(String text, Arguments.Bound bound) {
        Object start = bound.or(1, None.NONE);
        Object stop = bound.or(2, None.NONE);
        if (start instanceof None && stop instanceof None) {
            return text;
        }
        if (!(start instanceof None) && Arithmetic.small(start, "start") > Unicode.length(text)) {
            return null;
        }
        return (String) Slices.slice(text, start, stop, None.NONE);
    }

    private static long offset(String text, Arguments.Bound bound) {
        Object start = bound.or(1, None.NONE);
        if (start instanceof None) {
            return 0;
        }
        long place = Arithmetic.small(start, "start");
        return place < 0 ? Math.max(0, place + Unicode.length(text)) : place;
    }

    private static Object matches(String name, String text, Arguments arguments) {
        Arguments.Bound bound = arguments.bindPositional(name, 1, 3);
        Object affix = bound.required(0);
        List<Object> affixes = affix instanceof Tuple tuple ? tuple.items() : List.of(affix);
        String part = part(text, bound);
        for (Object each : affixes) {
            String one = Text.expect(each, "the argument of " + name);
            if (part != null && (name.equals("startswith") ? part.startsWith(one) : part.endsWith(one))) {
                return isInside(text, bound) || !one.isEmpty();
            }
        }
        return false;
    }

    /** False if the end lies before the start: then not even an empty text is found. */
    private static boolean isInside(String text, Arguments.Bound bound) {
        Object stop = bound.or(2, None.NONE);
        if (stop instanceof None) {
            return true;
        }
        long end = Arithmetic.small(stop, "end");
        long length = Unicode.length(text);
        return offset(text, bound) <= (end < 0 ? Math.max(0, end + length) : Math.min(end, length));
    }

    private static Object find(String name, String text, Arguments arguments, boolean isFirst) {
        Arguments.Bound bound = arguments.bindPositional(name, 1, 3);
        String searched = Strings.checkSearch(text, Text.expect(bound.required(0), "the argument of " + name));
        String part = part(text, bound);
        if (part == null || !isInside(text, bound)) {
            return -1L;
        }
        int place = isFirst ? part.indexOf(searched) : part.lastIndexOf(searched);
        return place < 0 ? -1L : offset(text, bound) + part.codePointCount(0, place);
    }

    private static Object count(String text, Arguments arguments) {
        Arguments.Bound bound = arguments.bindPositional("count", 1, 3);
        String searched = Strings.checkSearch(text, Text.expect(bound.required(0), "the argument of count"));
        String part = part(text, bound);
        if (part == null || !isInside(text, bound)) {
            return 0L;
        }
        if (searched.isEmpty()) {
            return (long) Unicode.length(part) + 1;
        }
        long count = 0;
        for (int at = part.indexOf(searched); at >= 0; at = part.indexOf(searched, at + searched.length())) {
            count++;
        }
        return count;
    }

    private static void addSplits() {
        strip("strip", true, true);
        strip("lstrip", true, false);
        strip("rstrip", false, true);
        ALL.put("split", (text, arguments) -> {
            Arguments.Bound bound = arguments.bind("split", "sep?", "maxsplit?");
            return Strings.split(text, bound.or(0, None.NONE), Arithmetic.small(bound.or(1, -1L), "maxsplit"));
        });
        ALL.put("rsplit", (text, arguments) -> {
            Arguments.Bound bound = arguments.bind("rsplit", "sep?", "maxsplit?");
            return Strings.rightSplit(text, bound.or(0, None.NONE), Arithmetic.small(bound.or(1, -1L), "maxsplit"));
        });
        ALL.put("splitlines", (text, arguments) -> {
            Arguments.Bound bound = arguments.bind("splitlines", "keepends?");
            return Strings.lines(text, Compare.isTrue(bound.or(0, false)));
        });
        ALL.put("partition", (text, arguments) -> partition("partition", text, arguments));
        ALL.put("rpartition", (text, arguments) -> partition("rpartition", text, arguments));
        ALL.put("join", TextMethods::join);
        ALL.put("format", FormatMethod::format);
    }

    private static void strip(String name, boolean left, boolean right) {
        ALL.put(
                name,
                (text, arguments) ->
                        Strings.strip(text, arguments.bindPositional(name, 0, 1).get(0), left, right));
    }

    private static Object partition(String name, String text, Arguments arguments) {
        String separator = Text.expect(arguments.bindPositional(name, 1, 1).required(0), "the separator");
        if (Strings.checkSearch(text, separator).isEmpty()) {
            throw new TemplateError(name + " with an empty separator");
        }
        boolean isFirst = name.equals("partition");
        int at = isFirst ? text.indexOf(separator) : text.lastIndexOf(separator);
        if (at < 0) {
            return new Tuple(isFirst ? List.of(text, "", "") : List.of("", "", text));
        }
        return new Tuple(List.of(text.substring(0, at), separator, text.substring(at + separator.length())));
    }

    private static Object join(String text, Arguments arguments) {
        List<Object> texts = new ArrayList<>();
        Iterator<Object> items =
                Compare.iterate(arguments.bindPositional("join", 1, 1).required(0));
        while (items.hasNext()) {
            texts.add(Text.expect(items.next(), "an item of join"));
        }
        return Strings.join(text, texts.iterator());
    }

    private static void addPadding() {
        pad("center");
        pad("ljust");
        pad("rjust");
        ALL.put("zfill", (text, arguments) -> {
            long width =
                    Arithmetic.small(arguments.bindPositional("zfill", 1, 1).required(0), "the width");
            boolean isSigned = text.startsWith("+") || text.startsWith("-");
            String digits = isSigned ? text.substring(1) : text;
            return (isSigned ? text.substring(0, 1) : "")
                    + Strings.justify(digits, isSigned ? width - 1 : width, "0", false);
        });
        ALL.put("expandtabs", (text, arguments) -> {
            long size =
                    Arithmetic.small(arguments.bind("expandtabs", "tabsize?").or(0, 8L), "tabsize");
            return expandTabs(text, size);
        });
    }

    private static void pad(String name) {
        ALL.put(name, (text, arguments) -> {
            Arguments.Bound bound = arguments.bindPositional(name, 1, 2);
            long width = Arithmetic.small(bound.required(0), "the width");
            String fill = Text.expect(bound.or(1, " "), "the character that fills");
            if (Unicode.length(fill) != 1) {
                throw new TemplateError(name + " fills with one character, not with '" + fill + "'");
            }
            return name.equals("center")
                    ? Strings.center(text, width, fill)
                    : Strings.justify(text, width, fill, name.equals("ljust"));
        });
    }

    private static String expandTabs(String text, long size) {
        if (size > 1000) {
            throw new TemplateError("tabs of " + size + " characters");
        }
        StringBuilder out = new StringBuilder();
        long column = 0;
        for (int character : text.codePoints().toArray()) {
            if (character == '\t') {
                long width = size > 0 ? size - column % size : 0;
                out.append(" ".repeat((int) width));
                column += width;
            } else {
                out.appendCodePoint(character);
                column = character == '\n' || character == '\r' ? 0 : column + 1;
            }
            Text.checkLength(out.length());
        }
        return out.toString();
    }
}
