package org.dpo4j.data.chat.jinja;

import org.jspecify.annotations.Nullable;

/** str.format with plain fields: {}, {0}, {name}. Conversions, format specifications and attributes are refused. */
final class FormatMethod {
    private final String format;
    private final Arguments arguments;
    private final StringBuilder out = new StringBuilder();
    private int automatic;
    private @Nullable Boolean isAutomatic;

    private FormatMethod(String format, Arguments arguments) {
        this.format = format;
        this.arguments = arguments;
    }

    static Object format(String format, Arguments arguments) {
        return new FormatMethod(format, arguments).run();
    }

    private String run() {
        for (int i = 0; i < format.length(); i++) {
            char character = format.charAt(i);
            if (character != '{' && character != '}') {
                out.append(character);
            } else if (i + 1 < format.length() && format.charAt(i + 1) == character) {
                out.append(character);
                i++;
            } else if (character == '}') {
                throw new TemplateError("a single } in a format");
            } else {
                int end = format.indexOf('}', i);
                if (end < 0) {
                    throw new TemplateError("a { without } in a format");
                }
                out.append(Text.str(field(format.substring(i + 1, end))));
                i = end;
            }
            Text.checkLength(out.length());
        }
        return out.toString();
    }

    private Object field(String name) {
        boolean isNumber = !name.isEmpty() && name.chars().allMatch(digit -> digit >= '0' && digit <= '9');
        if (isNumber || name.isEmpty()) {
            if (isAutomatic != null && isAutomatic != name.isEmpty()) {
                throw new TemplateError("a format with both {} and {0}");
            }
            isAutomatic = name.isEmpty();
            int index = name.isEmpty() ? automatic++ : name.length() > 4 ? Integer.MAX_VALUE : Integer.parseInt(name);
            if (index >= arguments.positional().size()) {
                throw new TemplateError("the format has no argument {" + index + "}");
            }
            return plain(arguments.positional().get(index));
        }
        if (!name.matches("[A-Za-z_][A-Za-z0-9_]*")) {
            throw new TemplateError("the field {" + name + "} of a format is not supported");
        }
        Object value = arguments.named().get(name);
        if (value == null) {
            throw new TemplateError("the format has no argument {" + name + "}");
        }
        return plain(value);
    }

    private static Object plain(Object value) {
        if (value instanceof Markup) {
            throw new TemplateError("format of a text marked by safe or escape is not supported");
        }
        return value;
    }
}
