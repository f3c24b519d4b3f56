package org.dpo4j.model.family;

import static org.dpo4j.model.family.ConfigJson.check;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * Rotary positions in a {@code config.json}: {@code rope_theta} and {@code rope_scaling} of transformers 4, {@code
 * rope_parameters} of transformers 5.
 */
final class RopeKeys {
    private RopeKeys() {}

    /**
     * {@code rope_theta}, which transformers 4 writes on top and transformers 5 in {@code rope_parameters}. transformers 5
     * takes the one inside where a file has both, and of {@code rope_scaling} and {@code rope_parameters} the first; 4
     * takes the one on top. So a file whose values differ means different models, and is refused.
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
                "rope_scaling and rope_parameters are both set, and rope_theta stands in rope_parameters, which"
                        + " transformers then does not read; keep one of the two");
        return given.isEmpty() ? absent : given.values().iterator().next();
    }

    private static void put(Map<String, Double> given, String name, ConfigJson parent) {
        if (parent.json().hasNonNull("rope_theta")) {
            given.put(name, parent.number("rope_theta", 0));
        }
    }

    /** Throws where positions are scaled, or only a part of a head is rotated. */
    static void refuseScaling(ConfigJson config) {
        check(
                config.number("partial_rotary_factor", 1) == 1,
                "partial_rotary_factor is not 1; whole heads are rotated here");
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
            check(!value.isObject(), key + " differs by kind of layer; one for all layers is supported");
        }
        String type = scaling.text("rope_type", scaling.text("type", "default"));
        check(
                type.equals("default"),
                key + " of type \"" + type + "\" is not supported; positions without scaling are");
        check(
                scaling.number("partial_rotary_factor", 1) == 1,
                key + ".partial_rotary_factor is not 1; whole heads are rotated here");
    }
}
