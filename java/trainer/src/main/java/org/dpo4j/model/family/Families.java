package org.dpo4j.model.family;

import static org.dpo4j.model.family.ConfigJson.check;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;
import org.dpo4j.io.JsonFile;
import org.dpo4j.kernels.Dpo4jException;

/** All supported model families. */
public final class Families {
    static final List<Family> ALL = List.of(
            new Llama(),
            new Mistral(),
            new Qwen2(),
            new Qwen3(),
            new SmolLm3(),
            new Granite(),
            new Olmo2(),
            new Olmo3(),
            new Gemma2(),
            new Gemma3(),
            new Phi3(),
            new Gpt2(),
            new GptNeoX(),
            new Starcoder2());

    private Families() {}

    /** Reads a {@code config.json}. Errors name file and key. */
    public static ModelConfig read(Path file) {
        return read(JsonFile.read(file), file.toString());
    }

    /** As {@link #read(Path)}, from parsed JSON. {@code where} names the file in errors. */
    public static ModelConfig read(ObjectNode json, String where) {
        try {
            ModelConfig config = describe(json);
            Mechanisms.check(config.architecture());
            return config;
        } catch (Dpo4jException e) {
            throw new Dpo4jException(where + ": " + e.getMessage(), e);
        }
    }

    /** Reads a config whose architecture the decoder may not compute yet. */
    static ModelConfig describe(ObjectNode json) {
        ConfigJson config = new ConfigJson(json);
        JsonNode type = json.path("model_type");
        if (type.isTextual() && find(type.textValue()).isEmpty()) {
            throw unsupported(type.textValue(), OtherFamilies.explanation(config, supported()));
        }
        refuseOtherKinds(config);
        check(
                type.isTextual(),
                "model_type is " + (type.isMissingNode() ? "missing" : type) + "; the name of the model's family is"
                        + " expected, one of " + names());
        return named(type.textValue()).read(config);
    }

    /** Keys of transformers, of LLaVA's and Phi-3-vision's own code, and of Qwen-VL. */
    private static final List<String> OTHER_TOWERS = List.of(
            "vision_config",
            "audio_config",
            "text_config",
            "vision_tower",
            "mm_vision_tower",
            "img_processor",
            "visual");

    private static final List<String> EXPERTS =
            List.of("num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts", "num_experts_per_tok");

    /** Throws if the file is of a kind of model that no family here is, whatever its {@code model_type}. */
    private static void refuseOtherKinds(ConfigJson config) {
        for (String key : OTHER_TOWERS) {
            config.refuse(
                    key,
                    "a model with a vision tower, or another beside the language model, is not supported; use a"
                            + " language model");
        }
        for (String key : EXPERTS) {
            config.refuse(key, "a mixture of experts is not supported; use a dense model");
        }
        checkQuantization(config.json().path("quantization_config"));
        config.refuse("per_layer_config", "a heterogeneous model, with layers of several sizes, is not supported");
        config.refuse("clip_qkv", "clipped queries, keys and values are not supported; use a model without");
        for (String key : List.of("is_encoder_decoder", "add_cross_attention")) {
            check(!config.flag(key), key + " is true: an encoder is not supported; use a decoder-only model");
        }
        JsonNode isBidirectional = config.json().path("use_bidirectional_attention");
        check(
                !isBidirectional.asBoolean(false) && !isBidirectional.isTextual(),
                "use_bidirectional_attention is " + isBidirectional
                        + ": only causal attention is supported; use a causal model");
    }

    private static void checkQuantization(JsonNode quantization) {
        boolean isFourBit =
                quantization.path("quant_method").asText("bitsandbytes").equals("bitsandbytes")
                        && quantization.path("load_in_4bit").asBoolean(false);
        check(
                quantization.isMissingNode() || quantization.isNull() || isFourBit,
                "quantization_config is set: of quantized weights only those with load_in_4bit of bitsandbytes are"
                        + " supported; save dense float weights first");
    }

    /** The family with that {@code model_type}. Throws if it is not supported. */
    public static Family named(String modelType) {
        return find(modelType).orElseThrow(() -> unsupported(modelType, ""));
    }

    private static Optional<Family> find(String modelType) {
        return ALL.stream()
                .filter(family -> family.modelType().equals(modelType))
                .findFirst();
    }

    private static Dpo4jException unsupported(String modelType, String explanation) {
        return new Dpo4jException("model_type is \"" + modelType + "\", a family that is not supported"
                + explanation
                + "; use a model of one of " + names());
    }

    private static String names() {
        return supported().stream().map(name -> "\"" + name + "\"").collect(Collectors.joining(", "));
    }

    private static List<String> supported() {
        return ALL.stream().map(Family::modelType).toList();
    }
}
