package org.dpo4j.model.family;

import static org.dpo4j.model.family.ConfigJson.check;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.IntFunction;
import java.util.function.IntPredicate;
import java.util.stream.IntStream;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.kernels.decoder.Activation;
import org.dpo4j.model.family.Architecture.AttentionBias;
import org.dpo4j.model.family.Architecture.AttentionTraits;
import org.dpo4j.model.family.Architecture.LayerAttention;
import org.dpo4j.model.family.Architecture.MlpTraits;
import org.dpo4j.model.family.Architecture.NormTraits;
import org.dpo4j.model.family.Architecture.QueryKeyNorm;
import org.dpo4j.model.family.Architecture.Scales;
import org.jspecify.annotations.Nullable;

/**
 * Keys that Llama's {@code config.json} and those of similar families have in common. A family gives the defaults of its
 * config class in transformers, and reads its own keys.
 */
final class DecoderKeys {
    private static final Map<String, Activation.Kind> ACTIVATIONS = Map.of(
            "silu", Activation.Kind.SILU,
            "swish", Activation.Kind.SILU,
            "gelu", Activation.Kind.GELU_ERF,
            "gelu_new", Activation.Kind.GELU_TANH,
            "gelu_fast", Activation.Kind.GELU_TANH,
            "gelu_pytorch_tanh", Activation.Kind.GELU_TANH);

    private final ConfigJson given;
    private final ConfigJson defaults;
    private final Map<String, String> names;
    private final ConfigJson keys;
    private final int heads;
    private final int headDim;
    private final int layerCount;

    /**
     * Throws if the file's {@code architectures} names another class than {@code defaults} does.
     *
     * @param defaults values of the keys that the file lacks
     */
    DecoderKeys(ConfigJson given, ConfigJson defaults) {
        this(given, defaults, Map.of());
    }

    /**
     * The same for a family with other names of keys. Throws if the file has a key by Llama's name: transformers ignores
     * some of these and reads others.
     *
     * @param names the names that differ, by Llama's names
     */
    DecoderKeys(ConfigJson given, ConfigJson defaults, Map<String, String> names) {
        this.given = given;
        this.defaults = defaults;
        this.names = names;
        this.keys = given.withDefaults(defaults);
        names.forEach((usual, name) -> given.refuse(usual, "this family calls it " + name + "; keep only that key"));
        String supported = defaults.json().get("architectures").get(0).asText();
        JsonNode architectures = given.at("architectures").json();
        check(
                architectures.isArray() || architectures.isNull() || architectures.isMissingNode(),
                "architectures is " + architectures + "; a list of names of classes is expected");
        for (JsonNode architecture : architectures) {
            check(
                    architecture.asText().equals(supported),
                    "architecture " + architecture.asText() + " is not supported; only " + supported + " is");
        }
        heads = size("num_attention_heads");
        layerCount = size("num_hidden_layers");
        Architecture.checkLayers(layerCount);
        headDim = headDim();
    }

    /** The family's name of a key. */
    private String name(String usual) {
        return names.getOrDefault(usual, usual);
    }

    /** A size that must be there, by Llama's name of its key. */
    int size(String usual) {
        String name = name(usual);
        int size = keys.integer(name);
        Architecture.checkSize(name, size);
        return size;
    }

    /** {@code head_dim}; if it is null and the family has no default for it, hidden size / heads. */
    private int headDim() {
        if (keys.json().hasNonNull("head_dim") || defaults.json().hasNonNull("head_dim")) {
            return keys.integer("head_dim");
        }
        int hidden = size("hidden_size");
        check(
                hidden % heads == 0,
                name("hidden_size") + " is " + hidden + ", which is not a multiple of " + name("num_attention_heads")
                        + " " + heads + ", and head_dim is absent; set head_dim");
        return hidden / heads;
    }

    /** All keys, with defaults. */
    ConfigJson all() {
        return keys;
    }

    /** The keys of rotary positions. */
    RopeKeys rope() {
        return RopeKeys.read(given);
    }

    double theta() {
        return rope().theta(defaults.number("rope_theta"));
    }

    int headWidth() {
        return headDim;
    }

    int maxPositions() {
        return size("max_position_embeddings");
    }

    /** Rotation of whole heads, with any scaling. */
    Rotation rotation() {
        return rotation(rope(), defaults.number("rope_theta"));
    }

    /**
     * The same by other keys than the file's.
     *
     * @param theta the base of the frequencies if {@code rope} has none
     */
    Rotation rotation(RopeKeys rope, double theta) {
        check(
                rope.rotatedShare() == 1,
                "partial_rotary_factor is " + rope.rotatedShare()
                        + ", which transformers does not read for this family; remove it, or set it to 1");
        check(headDim % 2 == 0, "head_dim is " + headDim + "; even widths up to 256 are supported");
        return new Rotation(rope.theta(theta), headDim, rope.scaling(rope.type(), maxPositions()));
    }

    /** Whether each layer has a window, by {@code layer_types}; null if that is absent. */
    @Nullable
    List<Boolean> layersWithWindow() {
        JsonNode types = keys.json().path("layer_types");
        if (types.isMissingNode() || types.isNull()) {
            return null;
        }
        check(types.isArray(), "layer_types is " + types + "; a list with an entry for each layer is expected");
        List<Boolean> hasWindow = new ArrayList<>();
        for (JsonNode type : types) {
            boolean isSliding = type.asText().equals("sliding_attention");
            check(
                    isSliding || type.asText().equals("full_attention"),
                    "layer_types has " + type + "; only \"full_attention\" and \"sliding_attention\" are supported");
            hasWindow.add(isSliding);
        }
        check(
                hasWindow.size() == layerCount,
                "layer_types has " + hasWindow.size() + " entries; one for each of the " + layerCount
                        + " layers is expected");
        return hasWindow;
    }

    /** The window of all layers, or null. Throws if {@code layer_types} says otherwise. */
    List<LayerAttention> sameLayers(Rotation rotation, @Nullable Integer window) {
        List<Boolean> types = layersWithWindow();
        check(
                types == null || types.stream().allMatch(hasWindow -> hasWindow == (window != null)),
                "layer_types is not " + (window == null ? "\"full_attention\"" : "\"sliding_attention\"")
                        + " for every layer, which transformers does not read for this family; remove it");
        return layers(layer -> new LayerAttention(rotation, window));
    }

    /**
     * Layers with the window {@code sliding_window} and without, by {@code layer_types}, or by {@code isSliding} if that is
     * absent.
     *
     * @param sliding rotation of the layers with a window
     * @param full rotation of the others
     */
    List<LayerAttention> layers(IntPredicate isSliding, Rotation sliding, Rotation full) {
        @Nullable List<Boolean> types = layersWithWindow();
        @Nullable Integer window = keys.integerOrNull("sliding_window");
        return layers(layer -> {
            boolean hasWindow = types == null ? isSliding.test(layer) : types.get(layer);
            check(
                    !hasWindow || window != null,
                    "sliding_window is null, but layer " + layer + " has a window; set it to that of the model's"
                            + " training");
            return hasWindow ? new LayerAttention(sliding, window) : new LayerAttention(full, null);
        });
    }

    List<LayerAttention> layers(IntFunction<LayerAttention> layer) {
        return IntStream.range(0, layerCount).mapToObj(layer).toList();
    }

    int layerCount() {
        return layerCount;
    }

    /** Bias of all four projections, by {@code attention_bias}. */
    AttentionBias attentionBias() {
        boolean hasBias = keys.flag("attention_bias");
        return new AttentionBias(hasBias, hasBias);
    }

    /** Throws if a key asks for a bias that the family's class does not have. */
    void refuseBias(String key) {
        refuseBiasOtherThan(false, key);
    }

    /** Throws if a key that the family's class does not read says otherwise about a bias. */
    void refuseBiasOtherThan(boolean hasBias, String key) {
        check(
                !keys.json().hasNonNull(key) || keys.flag(key) == hasBias,
                key + " is " + !hasBias + ", which transformers does not read for this family; set it to " + hasBias);
    }

    /** Attention with the usual scale, without norm of queries and keys. */
    AttentionTraits attention(AttentionBias bias, List<LayerAttention> layers) {
        return attention(1 / Math.sqrt(headDim), bias, QueryKeyNorm.NONE, layers);
    }

    /** Attention without soft cap. */
    AttentionTraits attention(double scale, AttentionBias bias, QueryKeyNorm norm, List<LayerAttention> layers) {
        return attention(scale, 0, bias, norm, layers);
    }

    AttentionTraits attention(
            double scale, double softCap, AttentionBias bias, QueryKeyNorm norm, List<LayerAttention> layers) {
        Integer keyHeads = keys.integerOrNull("num_key_value_heads");
        return new AttentionTraits(
                heads, keyHeads == null ? heads : keyHeads, headDim, scale, softCap, bias, norm, layers);
    }

    double epsilon() {
        return keys.number(name("rms_norm_eps"));
    }

    /** {@code down(f(up(x)))}, with the activation that {@code hidden_act} names. */
    MlpTraits mlpWithoutGate(boolean hasBias) {
        Activation.Function function = new Activation.Function(activation("hidden_act"), false);
        return new MlpTraits(size("intermediate_size"), function, hasBias);
    }

    /** A gated MLP, with biases by {@code mlp_bias}. */
    private MlpTraits mlp() {
        String key = defaults.json().has("hidden_activation") ? "hidden_activation" : "hidden_act";
        Activation.Function function = new Activation.Function(activation(key), true);
        return new MlpTraits(size("intermediate_size"), function, keys.flag("mlp_bias"));
    }

    /** The activation that a key names. */
    Activation.Kind activation(String key) {
        String name = keys.text(key, "");
        Activation.@Nullable Kind kind = ACTIVATIONS.get(name);
        if (kind == null) {
            throw new Dpo4jException(key + " is " + keys.json().path(key)
                    + ", which is not supported; use a model with one of "
                    + String.join(", ", ACTIVATIONS.keySet().stream().sorted().toList()));
        }
        return kind;
    }

    /** The config of a decoder with a norm before each branch. */
    ModelConfig config(AttentionTraits attention) {
        return config(attention, new NormTraits(epsilon()), Scales.NONE);
    }

    /** The config of a decoder with a gated MLP and without learned positions. */
    ModelConfig config(AttentionTraits attention, NormTraits norm, Scales scales) {
        return config(attention, norm, mlp(), scales);
    }

    /** The config of a decoder without learned positions. */
    ModelConfig config(AttentionTraits attention, NormTraits norm, MlpTraits mlp, Scales scales) {
        return config(new Architecture(
                size("vocab_size"),
                size("hidden_size"),
                layerCount,
                maxPositions(),
                false,
                norm,
                attention,
                mlp,
                scales,
                keys.flag("tie_word_embeddings")));
    }

    ModelConfig config(Architecture architecture) {
        return new ModelConfig(
                defaults.text("model_type", ""),
                architecture,
                keys.number("initializer_range"),
                keys.bosTokenId(),
                keys.eosTokenIds(List.of()),
                given.json().deepCopy());
    }
}
