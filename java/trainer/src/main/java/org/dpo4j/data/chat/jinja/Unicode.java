package org.dpo4j.data.chat.jinja;

import java.util.Locale;
import java.util.function.IntPredicate;

/** What Python knows about characters. A character that this Java does not know is refused. */
final class Unicode {
    private Unicode() {}

    static boolean isSpace(int character) {
        return character == ' '
                || character >= 0x9 && character <= 0xd
                || character >= 0x1c && character <= 0x1f
                || character > 0x7f && isSpaceBeyondAscii(character);
    }

    private static boolean isSpaceBeyondAscii(int character) {
        return character == 0x85
                || character == 0xa0
                || character == 0x1680
                || character >= 0x2000 && character <= 0x200a
                || character == 0x2028
                || character == 0x2029
                || character == 0x202f
                || character == 0x205f
                || character == 0x3000;
    }

    static boolean isLineBreak(int character) {
        return character >= 0xa && character <= 0xd
                || character >= 0x1c && character <= 0x1e
                || character == 0x85
                || character == 0x2028
                || character == 0x2029;
    }

    static boolean isPrintable(int character) {
        if (character < 0x7f) {
            return character >= ' ';
        }
        return switch (type(character)) {
            case Character.CONTROL,
                    Character.FORMAT,
                    Character.SURROGATE,
                    Character.PRIVATE_USE,
                    Character.LINE_SEPARATOR,
                    Character.PARAGRAPH_SEPARATOR,
                    Character.SPACE_SEPARATOR -> false;
            default -> true;
        };
    }

    private static int type(int character) {
        int type = Character.getType(character);
        if (type == Character.UNASSIGNED) {
            throw new TemplateError(String.format(
                    "the kind of the character U+%04X, which is not in the Unicode tables of this Java", character));
        }
        return type;
    }

    static boolean isLetter(int character) {
        return switch (type(character)) {
            case Character.UPPERCASE_LETTER,
                    Character.LOWERCASE_LETTER,
                    Character.TITLECASE_LETTER,
                    Character.MODIFIER_LETTER,
                    Character.OTHER_LETTER -> true;
            default -> false;
        };
    }

    static boolean isDecimal(int character) {
        return type(character) == Character.DECIMAL_DIGIT_NUMBER;
    }

    /** Superscripts and the like are digits too; which of them, only Python's tables know. */
    static boolean isDigit(int character) {
        if (type(character) == Character.OTHER_NUMBER) {
            throw new TemplateError(String.format("whether U+%04X is a digit is not supported", character));
        }
        return isDecimal(character);
    }

    static boolean isNumeric(int character) {
        if (type(character) == Character.OTHER_LETTER) {
            throw new TemplateError(String.format("whether U+%04X is numeric is not supported", character));
        }
        return isNumber(character);
    }

    private static boolean isNumber(int character) {
        int type = type(character);
        return type == Character.DECIMAL_DIGIT_NUMBER
                || type == Character.OTHER_NUMBER
                || type == Character.LETTER_NUMBER;
    }

    static boolean isAlphanumeric(int character) {
        return isLetter(character) || isNumber(character);
    }

    static boolean isCased(int character) {
        return Character.isUpperCase(character) || Character.isLowerCase(character) || Character.isTitleCase(character);
    }

    static boolean all(String text, IntPredicate test) {
        return !text.isEmpty() && text.codePoints().allMatch(test);
    }

    static String upper(String text) {
        check(text);
        return text.toUpperCase(Locale.ROOT);
    }

    static String lower(String text) {
        check(text);
        return text.toLowerCase(Locale.ROOT);
    }

    private static void check(String text) {
        for (int i = 0; i < text.length(); i++) {
            if (text.charAt(i) > 0x7f) {
                text.codePoints().forEach(Unicode::type);
                return;
            }
        }
    }

    /** The title case of one character; a character that becomes several is refused. */
    static String title(int character) {
        String text = Character.toString(character);
        if (character > 0x7f && upper(text).codePointCount(0, upper(text).length()) > 1) {
            throw new TemplateError(String.format("the title case of U+%04X is not supported", character));
        }
        return Character.toString(Character.toTitleCase(character));
    }

    /** The lower case of a text whose first character is not the first of its word. */
    static String lowerInside(String text) {
        if (text.indexOf(0x3a3) >= 0) {
            throw new TemplateError("the case of a capital sigma inside a word is not supported");
        }
        return lower(text);
    }

    static int length(String text) {
        return text.codePointCount(0, text.length());
    }
}
