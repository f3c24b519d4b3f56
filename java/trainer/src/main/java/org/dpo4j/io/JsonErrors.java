package org.dpo4j.io;

import com.fasterxml.jackson.core.JsonLocation;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Says in plain words what is wrong with JSON. Jackson's messages name its classes, options and token types, so they
 * are translated here. An unknown message becomes "it is not JSON".
 */
public final class JsonErrors {

    /** A pattern of Jackson's messages and our words for it; {@code $1} is the first group of the pattern. */
    private record Rule(Pattern message, String words) {
        Rule(String message, String words) {
            this(Pattern.compile(message, Pattern.DOTALL), words);
        }
    }

    private static final String CHARACTER = "Unexpected character \\('(.+?)' \\(code .*";

    /** The first rule that matches is used. */
    private static final List<Rule> RULES = List.of(
            new Rule("Unexpected end-of-input in character escape.*", "it ends inside an escape"),
            new Rule("Unexpected end-of-input in VALUE_STRING.*", "it ends inside a text, whose closing \" is missing"),
            new Rule(
                    "(?i)Unexpected end-of-input in (?:field|property).?name.*",
                    "it ends inside a key, whose closing \" is missing"),
            new Rule("Unexpected end-of-input.*Array.*", "it ends before its list is closed"),
            new Rule("Unexpected end-of-input.*", "it ends before its object is closed"),
            new Rule("Duplicate field '(.*)'.*", "the key \"$1\" occurs twice"),
            new Rule(
                    "Non-standard token '(.*?)'.*|Unrecognized token '(?:nan|inf)'.*",
                    "NaN and infinity are not JSON numbers; write null"),
            new Rule("Unrecognized token '(None|True|False)'.*", "$1 is Python; JSON has null, true and false"),
            new Rule("Unrecognized token '(.{1,40}?)':.*", "$1 is not a JSON value"),
            new Rule("Unrecognized token '(.{40}).*", "$1... is not a JSON value"),
            new Rule("Unexpected character \\(''' .*", "' stands where JSON has \""),
            new Rule("Unexpected character \\('[/#]' .*comment.*", "it has a comment, which JSON does not allow"),
            new Rule(CHARACTER + "hex-digit.*", "\\\\u is not followed by four hexadecimal digits"),
            new Rule(CHARACTER + "in numeric value.*|Invalid numeric value.*", "a number is not written as in JSON"),
            new Rule(
                    "Unexpected character \\('}' .*start field name.*",
                    "a comma stands before }, with no key after it"),
            new Rule(CHARACTER + "start field name.*", "$1 stands where a key in \" is expected"),
            new Rule(CHARACTER + "comma to separate.*", "$1 stands where a comma or the end is expected"),
            new Rule(CHARACTER + "colon to separate.*", "$1 stands where the : after a key is expected"),
            new Rule(CHARACTER, "$1 stands where a value is expected"),
            new Rule("Unexpected close marker '(.)'.*", "$1 closes what was not opened"),
            new Rule(
                    "Illegal unquoted character.*",
                    "a text holds a line break or another control character; write it as \\\\n or \\\\u0000"),
            new Rule("Illegal character.*", "a control character is outside of any text"),
            new Rule(
                    "Unrecognized character escape '(.)'.*",
                    "\\\\$1 is not an escape of JSON; write a backslash as \\\\\\\\"),
            new Rule("Invalid UTF-8.*", "its bytes are not UTF-8; save it as UTF-8"),
            new Rule(
                    "(?:Broken surrogate pair|Unexpected low surrogate) in (?:field|property).?name.*",
                    "a key holds half of a character; write the whole character"),
            new Rule("Trailing token.*", "more follows after its end"),
            new Rule("Document nesting depth.*allowed \\((\\d+).*", "it nests lists and objects deeper than $1 levels"),
            new Rule("Number value length.*allowed \\((\\d+).*", "a number has more than $1 digits"),
            new Rule("String value length.*allowed \\((\\d+).*", "a text has more than $1 characters"),
            new Rule("Name length.*allowed \\((\\d+).*", "a key has more than $1 characters"),
            new Rule("Numeric value \\((.{1,40}?)\\) out of range.*", "$1 is too large for this whole number"),
            new Rule("Current token .*numeric.*", "a number is expected"));

    private JsonErrors() {}

    /** What is wrong, without its position. */
    public static String reason(JsonProcessingException e) {
        for (Rule rule : RULES) {
            Matcher matcher = rule.message.matcher(e.getOriginalMessage());
            if (matcher.matches()) {
                return OneLine.visible(matcher.replaceFirst(rule.words));
            }
        }
        return "it is not JSON";
    }

    /** What is wrong, with line and column, then what to do; for text of one line, with the column only. */
    public static String reason(JsonProcessingException e, boolean isOneLine) {
        JsonLocation location = e.getLocation();
        if (location == null) {
            return reason(e);
        }
        String line = isOneLine ? "" : "line " + location.getLineNr() + " ";
        String[] reason = reason(e).split("; ", 2);
        String advice = reason.length == 1 ? "" : "; " + reason[1];
        return reason[0] + " at " + line + "column " + location.getColumnNr() + advice;
    }

    /** Name of a token in plain words; null is the end of the file. */
    public static String words(@Nullable JsonToken token) {
        return token == null
                ? "the end"
                : switch (token) {
                    case START_OBJECT -> "an object";
                    case START_ARRAY -> "a list";
                    case VALUE_STRING -> "a text";
                    case VALUE_NUMBER_INT -> "a whole number";
                    case VALUE_NUMBER_FLOAT -> "a fraction";
                    case VALUE_TRUE -> "true";
                    case VALUE_FALSE -> "false";
                    case VALUE_NULL -> "null";
                    case END_OBJECT, END_ARRAY -> "the end";
                    default -> "something else";
                };
    }
}
