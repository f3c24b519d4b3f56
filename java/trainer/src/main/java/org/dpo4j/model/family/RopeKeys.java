package org.dpo4j.model.family;

import static org.dpo4j.model.family.ConfigJson.check;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.model.family.RopeScaling.Dynamic;
import org.dpo4j.model.family.RopeScaling.Linear;
import org.dpo4j.model.family.RopeScaling.Llama3;
import org.dpo4j.model.family.RopeScaling.LongRope;
import org.dpo4j.model.family.RopeScaling.Yarn;

/**
 * Reads the keys of rotary positions. transformers 4 writes {@code rope_theta} and {@code rope_scaling}, transformers 5
 * an object {@code rope_parameters} with all of them. If a file has both and they disagree, the two versions read
 * different values, so it is refused.
 *
 * @param config the file, without defaults
 * @param name {@code rope_scaling} or {@code rope_parameters}: the object that is read
 * @param parameters that object
 */
record RopeKeys(ConfigJson config, String name, ConfigJson parameters) {
    private static final String ORIGINAL = "original_max_position_embeddings";
    private static final String SCALING = "rope_scaling";
    private static final String PARAMETERS = "rope_parameters";

    static RopeKeys read(ConfigJson config) {
        checkObject(config, SCALING);
        checkObject(config, PARAMETERS);
        ConfigJson scaling = config.at(SCALING);
        ConfigJson parameters = config.at(PARAMETERS);
        if (scaling.json().isEmpty()) {
            return new RopeKeys(config, PARAMETERS, parameters);
        }
        if (!parameters.json().isEmpty()) {
            checkSame(scaling, parameters);
        }
        return new RopeKeys(config, SCALING, scaling);
    }

    private static void checkObject(ConfigJson config, String key) {
        JsonNode json = config.at(key).json();
        check(
                json.isObject() || json.isMissingNode() || json.isNull(),
                key + " is " + json + "; an object is expected");
        for (JsonNode value : json) {
            check(!value.isObject(), key + " differs between kinds of layers, which is not supported");
        }
    }

    /** Throws if two objects differ in a key other than theta, which {@link #theta} compares. */
    private static void checkSame(ConfigJson scaling, ConfigJson parameters) {
        Set<String> keys = new TreeSet<>();
        scaling.json().fieldNames().forEachRemaining(keys::add);
        parameters.json().fieldNames().forEachRemaining(keys::add);
        keys.removeAll(Set.of("rope_theta", "type", "rope_type"));
        boolean isSame = type(scaling).equals(type(parameters))
                && keys.stream()
                        .allMatch(key -> isSame(
                                scaling.json().get(key), parameters.json().get(key)));
        check(isSame, "rope_scaling and rope_parameters are both set and differ; keep the one of the model's training");
    }

    private static boolean isSame(JsonNode a, JsonNode b) {
        if (a == null || b == null) {
            return a == b;
        }
        return a.isNumber() && b.isNumber() ? a.doubleValue() == b.doubleValue() : a.equals(b);
    }

    private static String type(ConfigJson parameters) {
        return parameters.text("rope_type", parameters.text("type", "default"));
    }

    /** {@code rope_type}, or {@code type} in files of early versions. */
    String type() {
        String type = type(parameters);
        check(
                type.equals(parameters.text("type", type)),
                name + ".rope_type is \"" + type + "\" but " + name + ".type is \"" + parameters.text("type", "")
                        + "\"; keep the one of the model's training");
        return type;
    }

    /**
     * The base of the frequencies. If a file has it at the top level and in an object, transformers 4 reads the first
     * and transformers 5 the other. If it has {@code rope_scaling} and {@code rope_parameters}, transformers 5 reads
     * only {@code rope_scaling}.
     */
    double theta(double absent) {
        Map<String, Double> given = new LinkedHashMap<>();
        put(given, "rope_theta", config);
        put(given, "rope_parameters.rope_theta", config.at(PARAMETERS));
        put(given, "rope_scaling.rope_theta", config.at(SCALING));
        check(
                Set.copyOf(given.values()).size() <= 1,
                given.entrySet().stream()
                                .map(each -> each.getKey() + " is " + each.getValue())
                                .collect(Collectors.joining(" but "))
                        + "; keep the one that the model was trained with");
        boolean isShadowed = given.size() == 1 && given.containsKey("rope_parameters.rope_theta");
        check(
                !isShadowed || name.equals(PARAMETERS),
                "rope_scaling and rope_parameters are both set, so transformers does not read the rope_theta in"
                        + " rope_parameters; keep one of the two");
        return given.isEmpty() ? absent : given.values().iterator().next();
    }

    private static void put(Map<String, Double> given, String name, ConfigJson parent) {
        if (parent.json().hasNonNull("rope_theta")) {
            given.put(name, parent.number("rope_theta"));
        }
    }

    /** The share of each head that is rotated, at the top level or in the object. */
    double rotatedShare() {
        double inside = parameters.number("partial_rotary_factor", 1);
        double outside = config.number("partial_rotary_factor", inside);
        check(
                inside == outside || !parameters.json().hasNonNull("partial_rotary_factor"),
                "partial_rotary_factor is " + outside + " but " + name + ".partial_rotary_factor is " + inside
                        + "; keep the one of the model's training");
        return outside;
    }

    /**
     * The scaling of a type, which the caller has from {@link #type}.
     *
     * @param maxPositions positions of the model
     */
    RopeScaling scaling(String type, int maxPositions) {
        return switch (type) {
            case "default" -> RopeScaling.NONE;
            case "linear" -> new Linear(required("factor"));
            case "dynamic" -> new Dynamic(required("factor"));
            case "llama3" ->
                new Llama3(
                        required("factor"),
                        required("low_freq_factor"),
                        required("high_freq_factor"),
                        original(maxPositions));
            case "yarn" -> yarn(maxPositions);
            case "longrope" -> longRope(maxPositions, original(maxPositions));
            default -> throw unsupported(type);
        };
    }

    /** The error for a type that the family does not have. */
    Dpo4jException unsupported(String type) {
        return new Dpo4jException(
                name + " has the type \"" + type + "\""
                        + (type.equals("mrope") ? " of multimodal models" : "")
                        + ", which is not supported; use a model with default, linear, dynamic, llama3, yarn or longrope positions");
    }

    private double required(String key) {
        check(
                parameters.json().path(key).isNumber(),
                name + "." + key + " is "
                        + (parameters.json().has(key) ? parameters.json().get(key) : "missing")
                        + "; rotary positions of type \"" + type() + "\" need a number");
        return parameters.number(key);
    }

    /**
     * The number of positions that the model was first trained with. transformers reads the one at the top level, even
     * if the object has another.
     */
    private int original(int absent) {
        Integer outside = config.integerOrNull(ORIGINAL);
        Integer inside = parameters.integerOrNull(ORIGINAL);
        check(
                outside == null || inside == null || outside.equals(inside),
                ORIGINAL + " is " + outside + " but " + name + "." + ORIGINAL + " is " + inside
                        + "; keep the one of the model's training");
        return outside != null ? outside : inside != null ? inside : absent;
    }

    /** As in transformers, 0 and null of the betas and of the two scales mean that they are not given. */
    private Yarn yarn(int maxPositions) {
        int original = original(maxPositions);
        double factor = parameters.number("factor", (double) maxPositions / original);
        double scale = parameters.number("mscale", 0);
        double divisor = parameters.number("mscale_all_dim", 0);
        double paper = scale != 0 && divisor != 0
                ? Yarn.attentionFactor(factor, scale) / Yarn.attentionFactor(factor, divisor)
                : Yarn.attentionFactor(factor, 1);
        double betaFast = parameters.number("beta_fast", 0);
        double betaSlow = parameters.number("beta_slow", 0);
        return new Yarn(
                factor,
                betaFast == 0 ? 32 : betaFast,
                betaSlow == 0 ? 1 : betaSlow,
                !parameters.json().has("truncate") || parameters.flag("truncate"),
                original,
                parameters.number("attention_factor", paper));
    }

    /** @param original {@code original_max_position_embeddings} */
    LongRope longRope(int maxPositions, int original) {
        double factor = parameters.number("factor", (double) maxPositions / original);
        return new LongRope(
                numbers("short_factor"),
                numbers("long_factor"),
                original,
                parameters.number("attention_factor", LongRope.attentionFactor(factor, original)));
    }

    private List<Double> numbers(String key) {
        JsonNode array = parameters.json().path(key);
        check(array.isArray(), name + "." + key + " is not a list; one number for each pair of elements is expected");
        List<Double> numbers = new ArrayList<>();
        for (JsonNode number : array) {
            check(number.isNumber(), name + "." + key + " has " + number + "; a number is expected");
            numbers.add(number.doubleValue());
        }
        return numbers;
    }
}
