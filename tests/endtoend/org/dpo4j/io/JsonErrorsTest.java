package org.dpo4j.io;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Errors of JSON in terms of the grammar of RFC 8259, never in the words of the library that reads it. */
class JsonErrorsTest {
    private static final JsonMapper JSON = JsonMapper.builder(JsonFactory.builder()
                    .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
                    .build())
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .build();

    private static String reason(String json) {
        return reason(json.getBytes(StandardCharsets.UTF_8));
    }

    private static JsonProcessingException error(byte[] json) {
        return catchThrowableOfType(JsonProcessingException.class, () -> JSON.readTree(json));
    }

    private static String reason(byte[] json) {
        String reason = JsonErrors.reason(error(json), true);
        assertThat(reason)
                .doesNotContainIgnoringCase(
                        ("token source expecting VALUE_ feature StreamRead redacted jackson").split(" "))
                .doesNotContainIgnoringCase("code ")
                .doesNotContain("\n");
        return reason;
    }

    @ParameterizedTest
    @CsvSource(delimiter = '~', quoteCharacter = '`', textBlock = """
        {"a":2 ~ it ends before its object is closed at column 7
        { ~ it ends before its object is closed at column 2
        {"a": ~ it ends before its object is closed at column 6
        [1, ~ it ends before its list is closed at column 4
        {"a":"x ~ it ends inside a text, whose closing " is missing at column 8
        {"a":"\\ ~ it ends inside an escape at column 8
        {"a ~ it ends inside a key, whose closing " is missing at column 4
        {"a":1,"a":2} ~ the key "a" occurs twice at column 11
        {"\\ud83d":1} ~ a key holds half of a character at column 9; write the whole character
        {"a\\udc00b":1} ~ a key holds half of a character at column 10; write the whole character
        {"a":NaN} ~ NaN and infinity are not JSON numbers at column 9; write null
        {"a":-Infinity} ~ NaN and infinity are not JSON numbers at column 15; write null
        {"a":nan} ~ NaN and infinity are not JSON numbers at column 6; write null
        {"a":None} ~ None is Python at column 6; JSON has null, true and false
        {"a":True} ~ True is Python at column 6; JSON has null, true and false
        {"a":yes} ~ yes is not a JSON value at column 6
        prompt ~ prompt is not a JSON value at column 1
        {'a':1} ~ ' stands where JSON has " at column 2
        {"a":'x'} ~ ' stands where JSON has " at column 6
        {oops ~ o stands where a key in " is expected at column 2
        {"a":1,} ~ a comma stands before }, with no key after it at column 8
        {"a":1 "b":2} ~ " stands where a comma or the end is expected at column 8
        {"a" 1} ~ 1 stands where the : after a key is expected at column 6
        {"a":} ~ } stands where a value is expected at column 6
        [1,,2] ~ , stands where a value is expected at column 4
        [1} ~ } closes what was not opened at column 3
        {"a":1}} ~ } closes what was not opened at column 8
        {"a":1} {"b":2} ~ more follows after its end at column 9
        // c ~ it has a comment, which JSON does not allow at column 1
        {"a":1 /* c */} ~ it has a comment, which JSON does not allow at column 8
        {"a":01} ~ a number is not written as in JSON at column 7
        {"a":1.} ~ a number is not written as in JSON at column 8
        {"a":+1} ~ a number is not written as in JSON at column 7
        {"a":"\\x"} ~ \\x is not an escape of JSON at column 8; write a backslash as \\\\
        {"a":"\\u12g4"} ~ \\u is not followed by four hexadecimal digits at column 11
        <html> ~ < stands where a value is expected at column 1
        """)
    void eachKindOfErrorIsNamed(String json, String reason) {
        assertThat(reason(json)).isEqualTo(reason);
    }

    @Test
    void charactersThatAreInvisibleAreNamed() {
        assertThat(reason("{\"a\":\"x\ty\"}"))
                .matches("a text holds a line break or another control character at column \\d+; write it as"
                        + " \\\\n or \\\\u0000");
        assertThat(reason("\0\0")).startsWith("a control character is outside of any text");
        assertThat(reason("{\"a\":\ufeff1}")).startsWith("U+FEFF stands where a value is expected");
        assertThat(reason("{\"a\":\"\u00e9\"}".getBytes(StandardCharsets.ISO_8859_1)))
                .matches("its bytes are not UTF-8 at column \\d+; save it as UTF-8");
    }

    @Test
    void numbersAndNestingBeyondTheLimitsAreNamed() {
        assertThat(reason("[".repeat(1100))).startsWith("it nests lists and objects deeper than 1000 levels");
        assertThat(reason("9".repeat(1100))).startsWith("a number has more than 1000 digits");
        assertThat(reason("x".repeat(1000))).isEqualTo("x".repeat(40) + "... is not a JSON value at column 1");
    }

    @Test
    void theLineIsNamedInTextOfSeveralLines() {
        assertThat(JsonErrors.reason(error("[{\"a\":1},\n {\"a\" 2}]".getBytes(StandardCharsets.UTF_8)), false))
                .isEqualTo("2 stands where the : after a key is expected at line 2 column 7");
    }
}
