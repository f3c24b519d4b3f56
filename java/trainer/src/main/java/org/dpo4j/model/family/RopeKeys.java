package org.dpo4j.model.family;

import static org.dpo4j.model.family.ConfigJson.check;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * Reads the keys of rotary positions: {@code rope_theta} and {@code rope_scaling} of transformers 4, {@code
 * rope_parameters} of transformers 5.
 */
final class RopeKeys {
    private RopeKeys() {}

    /**
     * {@code rope_theta}, which transformers 4 writes at the top level and transformers 5 in {@code rope_parameters}.
     * If a file has both, transformers 4 reads the one at the top level and transformers 5 the other. If a file has
     * {@code rope_scaling} and {@code rope_parameters}, transformers 5 reads only {@code rope_scaling}. Throws if the
     * two versions would read different values.
     */
    static double theta(ConfigJson config, double absent) {
        Map<String, Double> given = new LinkedHashMap<>();
        put(given, "rope_theta", config);
        put(given, "rope_parameters.rope_theta", config.at("rope_parameters"));
        put(given, "rope_scaling.rope_theta", config.at("rope_scaling"));
        check(
                Set.copyOf(given.values()).size() <= 1,
                given.entrySet().stream()
                                .map(each -> each.getKey() + " is " + each.getValue())
                                .collect(Collectors.joining(" but "))
                        + "; keep the one that the model was trained with");
        boolean isShadowed = given.size() == 1 && given.containsKey("rope_parameters.rope_theta");
        check(
                !isShadowed || config.at("rope_scaling").json().isEmpty(),
                "rope_scaling and rope_parameters are both set, so transformers does not read the rope_theta in"
                        + " rope_parameters; keep one of the two");
        return given.isEmpty() ? absent : given.values().iterator().next();
    }

    private static void put(Map<String, Double> given, String name, ConfigJson parent) {
        if (parent.json().hasNonNull("rope_theta")) {
            given.put(name, parent.number("rope_theta", 0));
        }
    }

    /** Throws if positions are scaled or only a part of a head is rotated. */
    static void refuseScaling(ConfigJson config) {
        check(
                config.number("partial_rotary_factor", 1) == 1,
                "partial_rotary_factor is not 1; only rotation of whole heads is supported");
        refuseScaling(config, "rope_scaling");
        refuseScaling(config, "rope_parameters");
    }

    private static void refuseScaling(ConfigJson config, String key) {
        ConfigJson scaling = config.at(key);
        JsonNode json = scaling.json();
        if (json.isMissingNode() || json.isNull()) {
            return;
        }
        check(json.isObject(), key + " is " + json + "; an object is expected");
        for (JsonNode value : json) {
            check(!value.isObject(), key + " differs between kinds of layers, which is not supported");
        }
        String type = scaling.text("rope_type", scaling.text("type", "default"));
        check(
                type.equals("default"),
                key + " of type \"" + type + "\" is not supported; only positions without scaling are");
        check(
                scaling.number("partial_rotary_factor", 1) == 1,
                key + ".partial_rotary_factor is not 1; only rotation of whole heads is supported");
    }
}
