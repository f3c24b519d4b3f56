package org.dpo4j.data.chat.jinja;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** The argument attribute of filters: names and indexes with dots between them. */
record AttributePath(List<Object> parts) {
    static AttributePath parse(Object attribute) {
        if (attribute instanceof None) {
            return new AttributePath(List.of());
        }
        if (!(attribute instanceof String text)) {
            return new AttributePath(List.of(attribute));
        }
        List<Object> parts = new ArrayList<>();
        for (String part : text.split("\\.", -1)) {
            boolean isIndex = !part.isEmpty() && part.chars().allMatch(digit -> digit >= '0' && digit <= '9');
            parts.add(isIndex ? index(part) : part);
        }
        return new AttributePath(parts);
    }

    private static Object index(String digits) {
        if (digits.length() > 18) {
            throw new TemplateError("the index " + digits + " is too large");
        }
        return Long.parseLong(digits);
    }

    Object get(Object item) {
        return get(item, null);
    }

    Object get(Object item, @Nullable Object absent) {
        Object value = item;
        for (Object part : parts) {
            value = Attributes.item(value, part);
            if (absent != null && value instanceof Undefined) {
                value = absent;
            }
        }
        return value;
    }
}
