package org.dpo4j.data.chat.jinja;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Items and slices of texts, lists, tuples and ranges. */
final class Slices {
    private Slices() {}

    /** The item, or null if the value has no such item. */
    static @Nullable Object item(Object value, Object index) {
        if (value instanceof Undefined undefined) {
            throw undefined.error();
        }
        if (value instanceof Dict dict) {
            return isHashable(index) ? dict.get(index) : null;
        }
        if (value instanceof DictView || !(index instanceof Long || index instanceof Boolean)) {
            return null;
        }
        long position = Arithmetic.small(index, "index");
        if (value instanceof String text) {
            return character(text, position);
        }
        if (value instanceof Markup markup) {
            Object character = character(markup.text(), position);
            return character == null ? null : new Markup((String) character);
        }
        List<Object> items = value instanceof Dict ? null : Compare.items(value);
        if (items == null) {
            return null;
        }
        long place = position < 0 ? position + items.size() : position;
        return place >= 0 && place < items.size() ? items.get((int) place) : null;
    }

    private static boolean isHashable(Object key) {
        if (key instanceof Tuple tuple) {
            return tuple.items().stream().allMatch(Slices::isHashable);
        }
        return !(key instanceof List || key instanceof Unhashable);
    }

    private static @Nullable Object character(String text, long position) {
        long length = Unicode.length(text);
        long place = position < 0 ? position + length : position;
        if (place < 0 || place >= length) {
            return null;
        }
        int start = text.offsetByCodePoints(0, (int) place);
        return Character.toString(text.codePointAt(start));
    }

    static Object slice(Object value, Object start, Object stop, Object step) {
        if (value instanceof Undefined undefined) {
            throw undefined.error();
        }
        if (value instanceof String text) {
            return slice(text, start, stop, step);
        }
        if (value instanceof Markup markup) {
            return new Markup(slice(markup.text(), start, stop, step));
        }
        if (value instanceof List<?> list) {
            return slice(list, start, stop, step);
        }
        if (value instanceof Tuple tuple) {
            return new Tuple(slice(tuple.items(), start, stop, step));
        }
        if (value instanceof Range range) {
            return slice(range, start, stop, step);
        }
        throw new TemplateError("a slice of a value of type " + Types.name(value) + " is not supported");
    }

    private static String slice(String text, Object start, Object stop, Object step) {
        int length = Unicode.length(text);
        Bounds bounds = Bounds.find(length, start, stop, step);
        if (bounds.step == 1 && length == text.length()) {
            return text.substring(bounds.start, Math.max(bounds.start, bounds.stop));
        }
        int[] characters = text.codePoints().toArray();
        StringBuilder slice = new StringBuilder();
        for (int i = 0; i < bounds.length(); i++) {
            slice.appendCodePoint(characters[bounds.place(i)]);
        }
        return slice.toString();
    }

    private static List<Object> slice(List<?> items, Object start, Object stop, Object step) {
        Bounds bounds = Bounds.find(items.size(), start, stop, step);
        List<Object> slice = new ArrayList<>();
        for (int i = 0; i < bounds.length(); i++) {
            slice.add(items.get(bounds.place(i)));
        }
        return slice;
    }

    private static Range slice(Range range, Object start, Object stop, Object step) {
        Bounds bounds = Bounds.find(range.length, start, stop, step);
        long each = bounds.step;
        if (Math.abs(each) > 1 << 20 || Math.abs(range.step) > 1 << 20) {
            throw new TemplateError("a slice of a range with a step above 2**20 is not supported");
        }
        return new Range(
                range.start + bounds.start * range.step, range.start + bounds.stop * range.step, range.step * each);
    }

    /** What Python's slice.indices returns. */
    private record Bounds(int start, int stop, long step) {
        static Bounds find(int length, Object start, Object stop, Object step) {
            long by = step instanceof None ? 1 : index(step);
            if (by == 0) {
                throw new TemplateError("the step of a slice is 0");
            }
            int low = by < 0 ? -1 : 0;
            int high = by < 0 ? length - 1 : length;
            return new Bounds(
                    start instanceof None ? (by < 0 ? high : low) : clip(index(start), length, low, high),
                    stop instanceof None ? (by < 0 ? low : high) : clip(index(stop), length, low, high),
                    by);
        }

        private static long index(Object value) {
            return Arithmetic.small(value, "the bound of a slice");
        }

        private static int clip(long index, int length, int low, int high) {
            long place = index < 0 ? index + length : index;
            return (int) Math.max(low, Math.min(high, place));
        }

        int length() {
            long distance = step > 0 ? (long) stop - start : (long) start - stop;
            return (int) (distance <= 0 ? 0 : (distance - 1) / Math.abs(step) + 1);
        }

        int place(int i) {
            return (int) (start + i * step);
        }
    }
}
