package org.dpo4j.data.chat.jinja;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;

/** Converts JSON to the values that Python's json.loads returns. */
public final class JsonValues {
    private JsonValues() {}

    /** The value for a template. */
    public static Object convert(JsonNode json) {
        switch (json.getNodeType()) {
            case STRING -> {
                return text(json.textValue());
            }
            case BOOLEAN -> {
                return json.booleanValue();
            }
            case NUMBER -> {
                return json.isIntegralNumber()
                        ? Arithmetic.normalise(json.bigIntegerValue())
                        : (Object) Arithmetic.finite(json.doubleValue());
            }
            case ARRAY -> {
                List<Object> items = new ArrayList<>(json.size());
                json.forEach(item -> items.add(convert(item)));
                return items;
            }
            case OBJECT -> {
                Dict dict = new Dict();
                json.fields().forEachRemaining(field -> dict.put(text(field.getKey()), convert(field.getValue())));
                return dict;
            }
            case NULL, MISSING -> {
                return None.NONE;
            }
            default -> throw new TemplateError("a value of type " + json.getNodeType() + " is no JSON");
        }
    }

    /** Python keeps half of a surrogate pair, but no tokenizer takes it. */
    private static String text(String text) {
        for (int i = 0; i < text.length(); i++) {
            if (Character.isSurrogate(text.charAt(i))) {
                int character = text.codePointAt(i);
                if (character < Character.MIN_SUPPLEMENTARY_CODE_POINT) {
                    throw new TemplateError(String.format("a text has half of a surrogate pair, U+%04X", character));
                }
                i++;
            }
        }
        return text;
    }
}
