package org.dpo4j.data.chat.jinja;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Filters that return a text. */
final class TextFilters {
    private static final Pattern WORD_STARTS = Pattern.compile("[-\\s({\\[<]+", Pattern.UNICODE_CHARACTER_CLASS);

    private TextFilters() {}

    static void addTo(Map<String, Filter> filters) {
        filters.put("upper", (value, arguments) -> Unicode.upper(plain("upper", value, arguments)));
        filters.put("lower", (value, arguments) -> Unicode.lower(plain("lower", value, arguments)));
        filters.put("capitalize", (value, arguments) -> Strings.capitalize(plain("capitalize", value, arguments)));
        filters.put("title", (value, arguments) -> title(plain("title", value, arguments)));
        filters.put("wordcount", (value, arguments) -> wordCount(plain("wordcount", value, arguments)));
        filters.put("trim", (value, arguments) -> {
            Object characters = arguments.bind("trim", "chars?").get(0);
            return Strings.strip(text(value), characters, true, true);
        });
        filters.put("string", (value, arguments) -> {
            arguments.bind("string");
            return value instanceof Markup ? value : Text.str(value);
        });
        filters.put("safe", (value, arguments) -> {
            arguments.bind("safe");
            return new Markup(Text.str(value));
        });
        Filter escape = (value, arguments) -> {
            arguments.bind("escape");
            return value instanceof Markup ? value : Markup.escape(Text.str(value));
        };
        filters.put("escape", escape);
        filters.put("e", escape);
        filters.put("replace", TextFilters::replace);
        filters.put("join", TextFilters::join);
        filters.put("center", (value, arguments) -> {
            long width = Arithmetic.small(arguments.bind("center", "width?").or(0, 80L), "the width");
            return Strings.center(text(value), width, " ");
        });
        filters.put("indent", TextFilters::indent);
        filters.put("truncate", TextFilters::truncate);
        filters.put("format", TextFilters::format);
        filters.put("tojson", Json::apply);
    }

    private static String plain(String name, Object value, Arguments arguments) {
        arguments.bind(name);
        return text(value);
    }

    private static String text(Object value) {
        return value instanceof Markup ? Text.expect(value, "the filter") : Text.str(value);
    }

    private static String title(String text) {
        StringBuilder out = new StringBuilder();
        Matcher matcher = WORD_STARTS.matcher(text);
        int at = 0;
        while (matcher.find()) {
            out.append(titleWord(text.substring(at, matcher.start()))).append(matcher.group());
            at = matcher.end();
        }
        return out.append(titleWord(text.substring(at))).toString();
    }

    private static String titleWord(String word) {
        if (word.isEmpty()) {
            return word;
        }
        int first = Character.charCount(word.codePointAt(0));
        return Unicode.upper(word.substring(0, first)) + Unicode.lower(word.substring(first));
    }

    private static Object wordCount(String text) {
        long count = 0;
        boolean isInside = false;
        for (int character : text.codePoints().toArray()) {
            boolean isWord = character == '_' || Unicode.isAlphanumeric(character);
            count += isWord && !isInside ? 1 : 0;
            isInside = isWord;
        }
        return count;
    }

    private static Object replace(Object value, Arguments arguments) {
        Arguments.Bound bound = arguments.bind("replace", "old", "new", "count?");
        Object count = bound.or(2, None.NONE);
        return Strings.replace(
                Text.str(value),
                Text.str(bound.required(0)),
                Text.str(bound.required(1)),
                count instanceof None ? -1 : Arithmetic.small(count, "count"));
    }

    private static Object join(Object value, Arguments arguments) {
        Arguments.Bound bound = arguments.bind("join", "d?", "attribute?");
        AttributePath path = AttributePath.parse(bound.or(1, None.NONE));
        List<Object> items = new ArrayList<>();
        Compare.iterate(value).forEachRemaining(item -> items.add(path.get(item)));
        return Strings.join(Text.str(bound.or(0, "")), items.iterator());
    }

    private static Object indent(Object value, Arguments arguments) {
        Arguments.Bound bound = arguments.bind("indent", "width?", "first?", "blank?");
        if (value instanceof Undefined undefined) {
            throw undefined.error();
        }
        Object width = bound.or(0, 4L);
        String indent = width instanceof String text
                ? text
                : (String) Arithmetic.apply("*", " ", Arithmetic.small(width, "the width"));
        List<Object> lines = Strings.lines(Text.expect(value, "what is indented") + "\n", false);
        boolean hasBlank = Compare.isTrue(bound.or(2, false));
        StringBuilder out = new StringBuilder(Compare.isTrue(bound.or(1, false)) ? indent : "");
        out.append(lines.get(0));
        for (Object line : lines.subList(1, lines.size())) {
            out.append('\n').append(hasBlank || !line.equals("") ? indent : "").append(line);
            Text.checkLength(out.length());
        }
        return out.toString();
    }

    private static Object truncate(Object value, Arguments arguments) {
        Arguments.Bound bound = arguments.bind("truncate", "length?", "killwords?", "end?", "leeway?");
        String text = Text.expect(value, "what is truncated");
        long length = limited(bound.or(0, 255L), "length");
        String end = Text.expect(bound.or(2, "..."), "end");
        Object given = bound.or(3, None.NONE);
        long leeway = given instanceof None ? 5 : limited(given, "leeway");
        long kept = length - Unicode.length(end);
        if (kept < 0 || leeway < 0) {
            throw new TemplateError("truncate with a length shorter than its end, or a negative leeway");
        }
        if (Unicode.length(text) <= length + leeway) {
            return text;
        }
        String cut = text.substring(0, text.offsetByCodePoints(0, (int) kept));
        int space = cut.lastIndexOf(' ');
        return (Compare.isTrue(bound.or(1, false)) || space < 0 ? cut : cut.substring(0, space)) + end;
    }

    /** A number that can be added to another one. */
    private static long limited(Object number, String name) {
        return Math.min(Arithmetic.small(number, name), Integer.MAX_VALUE);
    }

    private static Object format(Object value, Arguments arguments) {
        if (!arguments.positional().isEmpty() && !arguments.named().isEmpty()) {
            throw new TemplateError("format takes arguments by position or by name, not both");
        }
        if (arguments.named().isEmpty()) {
            return PercentFormat.format(text(value), new Tuple(arguments.positional()));
        }
        Dict named = new Dict();
        arguments.named().forEach(named::put);
        return PercentFormat.format(text(value), named);
    }
}
