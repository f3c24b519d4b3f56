package org.dpo4j.model;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.dpo4j.io.JsonFile;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;

/** Reads and writes {@code adapter_config.json}, in which PEFT describes an adapter. */
final class AdapterConfigJson {
    static final String FILE = "adapter_config.json";

    /** Keys whose values are read here. */
    private static final Set<String> READ = Set.of(
            "peft_type",
            "task_type",
            "base_model_name_or_path",
            "revision",
            "r",
            "lora_alpha",
            "target_modules",
            "use_rslora",
            "rank_pattern",
            "alpha_pattern",
            "bias",
            "init_lora_weights");

    /** Keys that do not change what the adapter computes. {@code lora_dropout} changes training; it is not applied. */
    private static final Set<String> WITHOUT_EFFECT = Set.of(
            "auto_mapping",
            "ensure_weight_tying",
            "fan_in_fan_out",
            "inference_mode",
            "lora_dropout",
            "megatron_core",
            "peft_version",
            "qalora_group_size");

    /** Ways to begin that leave the base model as it is. PiSSA and its like change it. */
    private static final Set<String> INITIALIZATIONS = Set.of("true", "false", "gaussian", "eva", "orthogonal");

    private final Path file;
    private final ObjectNode json;

    private AdapterConfigJson(Path file, ObjectNode json) {
        this.file = file;
        this.json = json;
    }

    /** Reads the file of an adapter's directory. */
    static AdapterConfigJson read(Path directory) {
        Path file = directory.resolve(FILE);
        return new AdapterConfigJson(file, JsonFile.read(file));
    }

    /** {@code base_model_name_or_path}. */
    String base() {
        String base = json.path("base_model_name_or_path").asText("");
        if (base.isEmpty()) {
            throw wrong("has no base_model_name_or_path; set it to the directory of the model that it adapts");
        }
        return base;
    }

    /** The revision of a base model that is given by name; null for the newest. */
    @Nullable
    String revision() {
        return json.hasNonNull("revision") ? json.get("revision").asText() : null;
    }

    /** What it describes. Throws if that is not a LoRA adapter, or one that is not supported. */
    LoraConfig config() {
        String type = json.path("peft_type").asText("LORA");
        if (!type.equals("LORA")) {
            throw wrong("has peft_type " + type + "; only LORA is supported, so merge the adapter with PEFT"
                    + " (merge_and_unload)");
        }
        checkSupported();
        try {
            return new LoraConfig(
                    whole("r", json.path("r")),
                    number("lora_alpha", json.path("lora_alpha")),
                    targets(json.path("target_modules")),
                    json.path("use_rslora").asBoolean(false),
                    pattern("rank_pattern", this::whole),
                    pattern("alpha_pattern", this::number));
        } catch (Dpo4jException e) {
            throw e.getMessage() != null && e.getMessage().startsWith(file.toString())
                    ? e
                    : new Dpo4jException(file + ": " + e.getMessage(), e);
        }
    }

    private void checkSupported() {
        String task = json.path("task_type").asText("CAUSAL_LM");
        if (!task.equals("CAUSAL_LM") && !json.path("task_type").isNull()) {
            throw wrong("has task_type " + task + "; CAUSAL_LM is expected");
        }
        String bias = json.path("bias").asText("none");
        if (!bias.equals("none")) {
            throw wrong("has bias " + bias + ": trained biases are not supported; only none is");
        }
        String initial = json.path("init_lora_weights").asText("true");
        if (!INITIALIZATIONS.contains(initial)) {
            throw wrong(
                    "has init_lora_weights " + initial + ", which changes the weights of the base model; convert the"
                            + " adapter with PEFT (save_pretrained with path_initial_model_for_weight_conversion)");
        }
        json.properties().forEach(each -> {
            String key = each.getKey();
            if (!READ.contains(key) && !WITHOUT_EFFECT.contains(key) && isSet(each.getValue())) {
                throw wrong("sets " + key + ", which is not supported; merge the adapter with PEFT (merge_and_unload)");
            }
        });
    }

    /** Null, false and empty are not. */
    private static boolean isSet(JsonNode value) {
        return !(value.isNull()
                || value.isBoolean() && !value.booleanValue()
                || value.isContainerNode() && value.isEmpty()
                || value.isTextual() && value.textValue().isEmpty());
    }

    private LoraTargets targets(JsonNode value) {
        if (value.isTextual()) {
            return value.textValue().equals(LoraTargets.ALL_LINEAR)
                    ? new LoraTargets.AllLinear()
                    : new LoraTargets.Matching(value.textValue());
        }
        List<String> names = new ArrayList<>();
        value.forEach(name -> names.add(name.asText()));
        if (!value.isArray() || value.isEmpty()) {
            throw wrong("has no target_modules; a list of names is expected");
        }
        return new LoraTargets.Named(names);
    }

    /** A value of the file under its name. */
    private interface Reader<T> {
        T read(String name, JsonNode value);
    }

    private <T> Map<String, T> pattern(String key, Reader<T> reader) {
        Map<String, T> values = new LinkedHashMap<>();
        json.path(key)
                .properties()
                .forEach(each -> values.put(each.getKey(), reader.read(key + " " + each.getKey(), each.getValue())));
        return values;
    }

    private int whole(String name, JsonNode value) {
        if (!value.isIntegralNumber() || !value.canConvertToInt()) {
            throw wrong("has " + name + " " + value + "; a whole number is expected");
        }
        return value.intValue();
    }

    private double number(String name, JsonNode value) {
        if (!value.isNumber()) {
            throw wrong("has " + name + " " + value + "; a number is expected");
        }
        return value.doubleValue();
    }

    private Dpo4jException wrong(String fault) {
        return new Dpo4jException(file + " " + fault);
    }

    /**
     * The content for a new adapter, with the keys that PEFT writes.
     *
     * @param base the model that is adapted; null if it has no directory
     * @param modules the names to which {@code target_modules} was resolved, unless it is a regular expression
     * @param isTransposed whether the model's files hold its matrices as [in, out], as those of GPT-2
     */
    static ObjectNode write(LoraConfig config, @Nullable AdapterBase base, List<String> modules, boolean isTransposed) {
        ObjectNode json = JsonFile.object();
        ObjectNode alphas = json.putObject("alpha_pattern");
        config.alphaPattern().forEach(alphas::put);
        json.putNull("auto_mapping");
        json.put("base_model_name_or_path", base == null ? null : base.nameOrPath());
        json.put("bias", "none");
        json.put("fan_in_fan_out", isTransposed);
        json.put("inference_mode", true);
        json.put("init_lora_weights", true);
        putWhole(json, "lora_alpha", config.alpha());
        json.put("lora_dropout", 0.0);
        json.putNull("modules_to_save");
        json.put("peft_type", "LORA");
        json.put("r", config.rank());
        ObjectNode ranks = json.putObject("rank_pattern");
        config.rankPattern().forEach(ranks::put);
        json.put("revision", base == null ? null : base.revision());
        if (config.targets() instanceof LoraTargets.Matching matching) {
            json.put("target_modules", matching.regex());
        } else {
            ArrayNode targets = json.putArray("target_modules");
            modules.forEach(targets::add);
        }
        json.put("task_type", "CAUSAL_LM");
        json.put("use_dora", false);
        json.put("use_rslora", config.isRankStabilized());
        return json;
    }

    private static void putWhole(ObjectNode json, String key, double value) {
        if (value == Math.rint(value) && value < Integer.MAX_VALUE) {
            json.put(key, (int) value);
        } else {
            json.put(key, value);
        }
    }
}
