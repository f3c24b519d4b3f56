package org.dpo4j.model.family;

import static org.dpo4j.model.family.ConfigJson.check;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;

/**
 * Rotary positions of a family whose layers with a window have their own. transformers 5 writes {@code rope_parameters} as
 * an object with an object for each kind of layers. The keys of transformers 4, such as {@code rope_scaling}, are those of
 * the layers without a window.
 *
 * @param json the file, without defaults
 * @param family name of the family, for errors
 */
record LayerKinds(ConfigJson json, String family) {
    private static final String FULL = "full_attention";
    private static final String SLIDING = "sliding_attention";
    private static final String ORIGINAL = "original_max_position_embeddings";

    /** The keys of layers without a window, as a family with one rotation has them. */
    RopeKeys full() {
        return RopeKeys.read(new ConfigJson(keys(FULL)));
    }

    /**
     * The keys of layers with a window.
     *
     * @param thetaKey the key by which transformers 4 reads the base of their frequencies
     */
    RopeKeys sliding(String thetaKey) {
        ObjectNode keys = keys(SLIDING);
        keys.remove("rope_scaling");
        put(keys, "rope_theta", json.json().path(thetaKey));
        return RopeKeys.read(new ConfigJson(keys));
    }

    private ObjectNode keys(String kind) {
        JsonNode all = json.at("rope_parameters").json();
        all.fieldNames()
                .forEachRemaining(key -> check(
                        key.equals(FULL) || key.equals(SLIDING),
                        "rope_parameters has " + key + ", which transformers does not read for " + family
                                + "; put it into " + FULL + " and " + SLIDING));
        json.refuse(ORIGINAL, "transformers does not read it for " + family + "; put it into rope_scaling");
        ObjectNode keys = json.json().deepCopy();
        put(keys, "rope_parameters", all.path(kind));
        return keys;
    }

    private static void put(ObjectNode keys, String key, JsonNode value) {
        keys.remove(key);
        if (!value.isMissingNode()) {
            keys.set(key, value);
        }
    }
}
