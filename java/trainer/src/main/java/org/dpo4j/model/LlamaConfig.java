package org.dpo4j.model;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.dpo4j.io.JsonFile;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;

/**
 * The numbers of a Llama decoder, under the names of Hugging Face's {@code config.json}; absent keys take the defaults
 * of transformers' {@code LlamaConfig}. What would change numbers and is not supported is refused by name.
 *
 * @param headDim width of one head; {@code hiddenSize / numAttentionHeads} unless the file says otherwise
 * @param maxPositionEmbeddings tokens of the longest sequence
 * @param initializerRange standard deviation of the matrices of a new model
 * @param tieWordEmbeddings whether the head is the embedding table
 * @param bosTokenId first token of a text, or null
 * @param eosTokenIds tokens that end a text; may be empty
 */
public record LlamaConfig(
        int vocabSize,
        int hiddenSize,
        int intermediateSize,
        int numHiddenLayers,
        int numAttentionHeads,
        int numKeyValueHeads,
        int headDim,
        int maxPositionEmbeddings,
        double rmsNormEps,
        double ropeTheta,
        double initializerRange,
        boolean tieWordEmbeddings,
        @Nullable Integer bosTokenId,
        List<Integer> eosTokenIds) {

    public LlamaConfig {
        positive("vocab_size", vocabSize);
        positive("hidden_size", hiddenSize);
        positive("intermediate_size", intermediateSize);
        positive("num_hidden_layers", numHiddenLayers);
        positive("num_attention_heads", numAttentionHeads);
        positive("num_key_value_heads", numKeyValueHeads);
        positive("max_position_embeddings", maxPositionEmbeddings);
        check(numHiddenLayers <= 4096, "num_hidden_layers is " + numHiddenLayers + "; at most 4096 are supported");
        check(hiddenSize % 8 == 0, "hidden_size is " + hiddenSize + "; multiples of 8 are supported");
        check(
                numAttentionHeads % numKeyValueHeads == 0,
                "num_attention_heads is not a multiple of num_key_value_heads");
        check(
                headDim > 0 && headDim % 8 == 0 && headDim <= 256,
                "head_dim is " + headDim + "; multiples of 8 up to 256 are supported");
        positive("num_attention_heads * head_dim", (int)
                Math.min(Integer.MAX_VALUE, (long) numAttentionHeads * headDim));
        check(rmsNormEps > 0 && rmsNormEps < 1, "rms_norm_eps is " + rmsNormEps + "; it lies between 0 and 1");
        check(
                ropeTheta > 1 && ropeTheta <= Float.MAX_VALUE,
                "rope_theta is " + ropeTheta + "; it is above 1 and an fp32 number");
        check(initializerRange >= 0 && initializerRange < 10, "initializer_range is " + initializerRange);
        eosTokenIds = List.copyOf(eosTokenIds);
    }

    /**
     * A new model's numbers, the others being transformers' defaults: epsilon 1e-6, theta 10000, range 0.02, bos 1, eos
     * 2, head width hidden / heads.
     */
    public static LlamaConfig of(
            int vocabSize,
            int hiddenSize,
            int intermediateSize,
            int numHiddenLayers,
            int numAttentionHeads,
            int numKeyValueHeads,
            int maxPositionEmbeddings,
            boolean tieWordEmbeddings) {
        positive("num_attention_heads", numAttentionHeads);
        return new LlamaConfig(
                vocabSize,
                hiddenSize,
                intermediateSize,
                numHiddenLayers,
                numAttentionHeads,
                numKeyValueHeads,
                hiddenSize / numAttentionHeads,
                maxPositionEmbeddings,
                1e-6,
                10000,
                0.02,
                tieWordEmbeddings,
                1,
                List.of(2));
    }

    /**
     * Most tokens of a sequence where {@code asked} are asked for, or {@code otherwise} where null is: never more than
     * there are positions. Throws where more were asked for.
     */
    public int maxLength(@Nullable Integer asked, int otherwise) {
        if (asked == null) {
            return Math.min(otherwise, maxPositionEmbeddings);
        }
        check(
                asked <= maxPositionEmbeddings,
                "max_length is " + asked + " but the model has " + maxPositionEmbeddings
                        + " positions; set max_length to " + maxPositionEmbeddings + " or less");
        return asked;
    }

    /** The same numbers with other special tokens. */
    public LlamaConfig withTokens(@Nullable Integer bosTokenId, List<Integer> eosTokenIds) {
        return new LlamaConfig(
                vocabSize,
                hiddenSize,
                intermediateSize,
                numHiddenLayers,
                numAttentionHeads,
                numKeyValueHeads,
                headDim,
                maxPositionEmbeddings,
                rmsNormEps,
                ropeTheta,
                initializerRange,
                tieWordEmbeddings,
                bosTokenId,
                eosTokenIds);
    }

    /**
     * Reads a {@code config.json}. Throws, naming the file and the key, when the file is no Llama this library computes
     * as transformers does.
     */
    public static LlamaConfig read(Path file) {
        return parse(JsonFile.read(file), file.toString());
    }

    /** As {@link #read}, from parsed JSON; {@code where} names it in errors. */
    static LlamaConfig parse(ObjectNode json, String where) {
        try {
            refuseOtherModels(json);
            int hidden = integer(json, "hidden_size", 4096);
            int heads = integer(json, "num_attention_heads", 32);
            positive("num_attention_heads", heads);
            return new LlamaConfig(
                    integer(json, "vocab_size", 32000),
                    hidden,
                    integer(json, "intermediate_size", 11008),
                    integer(json, "num_hidden_layers", 32),
                    heads,
                    integer(json, "num_key_value_heads", heads),
                    integer(json, "head_dim", hidden / heads),
                    integer(json, "max_position_embeddings", 2048),
                    number(json, "rms_norm_eps", 1e-6),
                    theta(json),
                    number(json, "initializer_range", 0.02),
                    flag(json, "tie_word_embeddings", false),
                    beginning(json),
                    ending(json, List.of(2)));
        } catch (Dpo4jException e) {
            throw new Dpo4jException(where + ": " + e.getMessage(), e);
        }
    }

    /** The {@code config.json} of a new model. */
    ObjectNode toJson() {
        ObjectNode json = JsonFile.object();
        json.putArray("architectures").add("LlamaForCausalLM");
        json.put("attention_bias", false);
        json.put("attention_dropout", 0.0);
        json.put("bos_token_id", bosTokenId);
        if (eosTokenIds.size() == 1) {
            json.put("eos_token_id", eosTokenIds.get(0));
        } else {
            eosTokenIds.forEach(json.putArray("eos_token_id")::add);
        }
        json.put("head_dim", headDim);
        json.put("hidden_act", "silu");
        json.put("hidden_size", hiddenSize);
        json.put("initializer_range", initializerRange);
        json.put("intermediate_size", intermediateSize);
        json.put("max_position_embeddings", maxPositionEmbeddings);
        json.put("mlp_bias", false);
        json.put("model_type", "llama");
        json.put("num_attention_heads", numAttentionHeads);
        json.put("num_hidden_layers", numHiddenLayers);
        json.put("num_key_value_heads", numKeyValueHeads);
        json.put("rms_norm_eps", rmsNormEps);
        json.putNull("rope_scaling");
        json.put("rope_theta", ropeTheta);
        json.put("tie_word_embeddings", tieWordEmbeddings);
        json.put("use_cache", true);
        json.put("vocab_size", vocabSize);
        return json;
    }

    /**
     * {@code eos_token_id} of a config or generation config: a number, an array, or null for none; {@code absent} when
     * the key is not there.
     */
    static List<Integer> ending(JsonNode json, List<Integer> absent) {
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

    private static @Nullable Integer beginning(JsonNode json) {
        JsonNode bos = json.get("bos_token_id");
        if (bos == null) {
            return 1;
        }
        return bos.isNull() ? null : token("bos_token_id", bos);
    }

    private static Integer token(String key, JsonNode id) {
        check(id.isInt(), key + " is " + id + "; a token id is expected");
        return id.intValue();
    }

    private static void refuseOtherModels(ObjectNode json) {
        String type = json.path("model_type").asText("llama");
        check(type.equals("llama"), "model_type is \"" + type + "\"; only \"llama\" is supported");
        for (JsonNode architecture : json.path("architectures")) {
            String name = architecture.asText();
            check(name.equals("LlamaForCausalLM"), "architecture " + name + " is not supported; LlamaForCausalLM is");
        }
        String act = json.path("hidden_act").asText("silu");
        check(act.equals("silu"), "hidden_act is \"" + act + "\"; only \"silu\" is supported");
        for (String bias : List.of("attention_bias", "mlp_bias")) {
            check(!flag(json, bias, false), bias + " is true; models without biases are supported");
        }
        check(
                number(json, "attention_dropout", 0) == 0,
                "attention_dropout is not 0; set it to 0, attention has no dropout here");
        check(
                integer(json, "pretraining_tp", 1) == 1,
                "pretraining_tp is not 1; set it to 1 to compute without its slicing");
        check(
                number(json, "partial_rotary_factor", 1) == 1,
                "partial_rotary_factor is not 1; whole heads are rotated here");
        refuse(json, "quantization_config", "save the model with dense float weights first");
        refuse(json, "sliding_window", "attention over the whole sequence is supported");
        for (JsonNode layer : json.path("layer_types")) {
            check(
                    layer.asText().equals("full_attention"),
                    "layer_types has " + layer + "; attention over the whole sequence is supported");
        }
        refuseScaling(json.path("rope_scaling"), "rope_scaling");
        refuseScaling(json.path("rope_parameters"), "rope_parameters");
    }

    private static void refuseScaling(JsonNode scaling, String key) {
        if (scaling.isMissingNode() || scaling.isNull()) {
            return;
        }
        check(scaling.isObject(), key + " is " + scaling + "; an object is expected");
        for (JsonNode value : scaling) {
            check(!value.isObject(), key + " differs by kind of layer; one for all layers is supported");
        }
        String type = scaling.path("rope_type").asText(scaling.path("type").asText("default"));
        check(
                type.equals("default"),
                key + " of type \"" + type + "\" is not supported; positions without scaling are");
        check(
                number(scaling, "partial_rotary_factor", 1) == 1,
                key + ".partial_rotary_factor is not 1; whole heads are rotated here");
    }

    private static void refuse(ObjectNode json, String key, String instead) {
        check(!json.hasNonNull(key), key + " is set, which is not supported; " + instead);
    }

    private static int integer(JsonNode json, String key, int absent) {
        JsonNode value = json.get(key);
        if (value == null || value.isNull()) {
            return absent;
        }
        check(value.isInt(), key + " is " + value + "; a 32-bit integer is expected");
        return value.intValue();
    }

    private static double number(JsonNode json, String key, double absent) {
        JsonNode value = json.get(key);
        if (value == null || value.isNull()) {
            return absent;
        }
        check(value.isNumber(), key + " is " + value + "; a number is expected");
        return value.doubleValue();
    }

    private static boolean flag(JsonNode json, String key, boolean absent) {
        JsonNode value = json.get(key);
        if (value == null || value.isNull()) {
            return absent;
        }
        check(value.isBoolean(), key + " is " + value + "; true or false is expected");
        return value.booleanValue();
    }

    /**
     * {@code rope_theta}, which stands on top in the files of transformers 4 and in {@code rope_parameters} in those of 5.
     * transformers 5 takes the one inside where a file has both, and of {@code rope_scaling} and {@code rope_parameters}
     * the first; 4 takes the one on top. So a file whose values differ means different models, and is refused.
     */
    private static double theta(ObjectNode json) {
        Map<String, Double> given = new LinkedHashMap<>();
        put(given, "rope_theta", json);
        put(given, "rope_parameters.rope_theta", json.path("rope_parameters"));
        put(given, "rope_scaling.rope_theta", json.path("rope_scaling"));
        check(
                Set.copyOf(given.values()).size() <= 1,
                given.entrySet().stream()
                                .map(each -> each.getKey() + " is " + each.getValue())
                                .collect(Collectors.joining(" but "))
                        + "; keep the one that the model was trained with");
        boolean isShadowed = given.size() == 1 && given.containsKey("rope_parameters.rope_theta");
        check(
                !isShadowed || json.path("rope_scaling").isEmpty(),
                "rope_scaling and rope_parameters are both set, and rope_theta stands in rope_parameters, which"
                        + " transformers then does not read; keep one of the two");
        return given.isEmpty() ? 10000 : given.values().iterator().next();
    }

    private static void put(Map<String, Double> given, String name, JsonNode parent) {
        if (parent.hasNonNull("rope_theta")) {
            given.put(name, number(parent, "rope_theta", 0));
        }
    }

    /** The upper bound keeps every product of two sizes within 64 bits, whatever a file claims. */
    private static void positive(String key, int value) {
        check(value > 0 && value <= 1 << 26, key + " is " + value + "; sizes lie between 1 and 2^26");
    }

    private static void check(boolean holds, String otherwise) {
        if (!holds) {
            throw new Dpo4jException(otherwise);
        }
    }
}
