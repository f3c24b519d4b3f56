package org.dpo4j.model.family;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;

/** Reads keys of a {@code config.json} or {@code generation_config.json}. Throws if a value has the wrong type. */
public record ConfigJson(JsonNode json) {

    int integer(String key, int absent) {
        JsonNode value = json.get(key);
        if (value == null || value.isNull()) {
            return absent;
        }
        check(value.isInt(), key + " is " + value + "; a 32-bit integer is expected");
        return value.intValue();
    }

    double number(String key, double absent) {
        JsonNode value = json.get(key);
        if (value == null || value.isNull()) {
            return absent;
        }
        check(value.isNumber(), key + " is " + value + "; a number is expected");
        return value.doubleValue();
    }

    boolean flag(String key, boolean absent) {
        JsonNode value = json.get(key);
        if (value == null || value.isNull()) {
            return absent;
        }
        check(value.isBoolean(), key + " is " + value + "; true or false is expected");
        return value.booleanValue();
    }

    String text(String key, String absent) {
        return json.path(key).asText(absent);
    }

    /** The object under a key; without any keys if there is none. */
    ConfigJson at(String key) {
        return new ConfigJson(json.path(key));
    }

    /** {@code bos_token_id}: a token id, or null for none; {@code absent} if there is no such key. */
    @Nullable
    Integer bosTokenId(@Nullable Integer absent) {
        JsonNode bos = json.get("bos_token_id");
        if (bos == null) {
            return absent;
        }
        return bos.isNull() ? null : token("bos_token_id", bos);
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

    /** Throws if an unsupported key is set. {@code instead} is advice. */
    void refuse(String key, String instead) {
        check(!json.hasNonNull(key), key + " is set, which is not supported; " + instead);
    }

    private static Integer token(String key, JsonNode id) {
        check(id.isInt(), key + " is " + id + "; a token id is expected");
        return id.intValue();
    }

    static void check(boolean holds, String otherwise) {
        if (!holds) {
            throw new Dpo4jException(otherwise);
        }
    }
}
