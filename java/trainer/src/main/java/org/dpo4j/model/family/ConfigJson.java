package org.dpo4j.model.family;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;
import org.dpo4j.io.JsonFile;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;

/** Reads keys of a {@code config.json} or {@code generation_config.json}. Throws if a value has the wrong type. */
public record ConfigJson(JsonNode json) {

    /** The same with the keys of {@code defaults} that it lacks. As in transformers, null is a value. */
    ConfigJson withDefaults(ConfigJson defaults) {
        ObjectNode all = JsonFile.object();
        defaults.json.properties().forEach(field -> all.set(field.getKey(), field.getValue()));
        json.properties().forEach(field -> all.set(field.getKey(), field.getValue()));
        return new ConfigJson(all);
    }

    /** A key that must be there. */
    int integer(String key) {
        JsonNode value = json.path(key);
        check(value.isInt(), key + " is " + name(value) + "; a 32-bit integer is expected");
        return value.intValue();
    }

    /** An integer; null if the value is null or absent. */
    @Nullable
    Integer integerOrNull(String key) {
        return json.hasNonNull(key) ? integer(key) : null;
    }

    /** A key that must be there. */
    double number(String key) {
        JsonNode value = json.path(key);
        check(value.isNumber(), key + " is " + name(value) + "; a number is expected");
        return value.doubleValue();
    }

    /** A number; {@code otherwise} if the value is null or absent. */
    double number(String key, double otherwise) {
        return json.hasNonNull(key) ? number(key) : otherwise;
    }

    /** Null and absent are false. */
    boolean flag(String key) {
        JsonNode value = json.path(key);
        check(
                value.isBoolean() || value.isNull() || value.isMissingNode(),
                key + " is " + value + "; true or false is expected");
        return value.booleanValue();
    }

    String text(String key, String absent) {
        return json.path(key).asText(absent);
    }

    /** The object under a key; without any keys if there is none. */
    ConfigJson at(String key) {
        return new ConfigJson(json.path(key));
    }

    /** {@code bos_token_id}: a token id, or null for none. */
    @Nullable
    Integer bosTokenId() {
        return json.hasNonNull("bos_token_id") ? token("bos_token_id", json.get("bos_token_id")) : null;
    }

    /**
     * {@code eos_token_id}: a token id, an array of them, or null for none; {@code absent} if there is no such key.
     */
    public List<Integer> eosTokenIds(List<Integer> absent) {
        JsonNode eos = json.get("eos_token_id");
        if (eos == null) {
            return absent;
        }
        List<Integer> ids = new ArrayList<>();
        if (eos.isArray()) {
            eos.forEach(id -> ids.add(token("eos_token_id", id)));
        } else if (!eos.isNull()) {
            ids.add(token("eos_token_id", eos));
        }
        return ids;
    }

    /** Throws if a key is set. {@code reason} says what it means, and what to do. */
    void refuse(String key, String reason) {
        check(!json.hasNonNull(key), key + " is set: " + reason);
    }

    private static Integer token(String key, JsonNode id) {
        check(id.isInt(), key + " is " + id + "; a token id is expected");
        return id.intValue();
    }

    private static String name(JsonNode value) {
        return value.isMissingNode() ? "missing" : value.toString();
    }

    static void check(boolean holds, String otherwise) {
        if (!holds) {
            throw new Dpo4jException(otherwise);
        }
    }
}
