package org.dpo4j.data.row;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import org.dpo4j.data.source.BadRow;
import org.dpo4j.io.JsonErrors;

/** Reads calls and descriptions of functions that rows hold as JSON, or as text with JSON. */
final class ToolCalls {
    private static final JsonMapper MAPPER = JsonMapper.builder()
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .build();

    private ToolCalls() {}

    /** The JSON in a text. {@code name} is what errors call the text. */
    static JsonNode parse(String text, String name) throws BadRow {
        try {
            return MAPPER.readTree(text);
        } catch (JsonProcessingException e) {
            throw new BadRow(
                    BadRow.Reason.BAD_VALUE, name + " is a text that is not JSON: " + JsonErrors.reason(e, false));
        }
    }

    /** Calls as ShareGPT has them: an object with name and arguments, or a list of such objects. */
    static ArrayNode read(String text, String name) throws BadRow {
        JsonNode parsed = parse(text, name);
        ArrayNode calls = JsonNodeFactory.instance.arrayNode();
        for (JsonNode call :
                parsed.isArray() ? parsed : JsonNodeFactory.instance.arrayNode().add(parsed)) {
            if (!call.path("name").isTextual() || !call.has("arguments")) {
                throw new BadRow(
                        BadRow.Reason.BAD_VALUE,
                        name + " calls no function; give JSON with name and arguments, or a list of such objects");
            }
            ObjectNode function = calls.addObject().put("type", "function").putObject("function");
            function.set("name", call.get("name"));
            function.set("arguments", parsedArguments(call.get("arguments"), name));
        }
        return calls;
    }

    /** OpenAI's rows have arguments of calls as text with JSON; templates take objects. */
    static ArrayNode withParsedArguments(ArrayNode messages) throws BadRow {
        for (int i = 0; i < messages.size(); i++) {
            for (JsonNode call : messages.get(i).path("tool_calls")) {
                if (call.path("function") instanceof ObjectNode function && function.has("arguments")) {
                    String name = "arguments of " + function.path("name").asText("a call");
                    function.set("arguments", parsedArguments(function.get("arguments"), name));
                }
            }
        }
        return messages;
    }

    private static JsonNode parsedArguments(JsonNode arguments, String name) throws BadRow {
        return arguments.isTextual() ? parse(arguments.textValue(), name) : arguments;
    }
}
