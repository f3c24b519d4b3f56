package org.dpo4j.model.family;

import static org.dpo4j.model.family.ConfigJson.check;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import org.dpo4j.io.JsonFile;
import org.dpo4j.kernels.decoder.Activation;
import org.dpo4j.model.family.Architecture.AttentionBias;
import org.dpo4j.model.family.Architecture.LayerAttention;
import org.dpo4j.model.family.Architecture.MlpTraits;
import org.dpo4j.model.family.Architecture.NormKind;
import org.dpo4j.model.family.Architecture.NormPlacement;
import org.dpo4j.model.family.Architecture.NormTraits;
import org.dpo4j.model.family.Architecture.QueryKeyNorm;
import org.dpo4j.model.family.Architecture.Scales;

/**
 * GPT-2 (Radford et al. 2019): learned positions, LayerNorm, biases everywhere. Files hold matrices as [in, out]. Published
 * ones have names without {@code "transformer."}, and causal masks beside the weights.
 */
final class Gpt2 implements Family {
    private static final String BODY = "transformer.";
    private static final String HEAD = "lm_head.weight";

    private static final Pattern WITHOUT_BODY = Pattern.compile("(h\\.\\d+|wte|wpe|ln_f)\\..*");
    private static final Pattern MASKS = Pattern.compile(Pattern.quote(BODY) + "h\\.\\d+\\.attn\\.(bias|masked_bias)");

    private static final ConfigJson DEFAULTS = new ConfigJson(JsonFile.parse("""
            {"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"],
             "vocab_size": 50257, "n_embd": 768, "n_inner": null, "n_layer": 12, "n_head": 12, "n_positions": 1024,
             "activation_function": "gelu_new", "layer_norm_epsilon": 1e-5, "scale_attn_weights": true,
             "scale_attn_by_inverse_layer_idx": false, "tie_word_embeddings": true, "initializer_range": 0.02,
             "bos_token_id": 50256, "eos_token_id": 50256}
            """));

    private static final Map<String, String> NAMES = Map.of(
            "hidden_size", "n_embd",
            "intermediate_size", "n_inner",
            "num_hidden_layers", "n_layer",
            "num_attention_heads", "n_head",
            "max_position_embeddings", "n_positions",
            "hidden_act", "activation_function",
            "rms_norm_eps", "layer_norm_epsilon");

    @Override
    public String modelType() {
        return "gpt2";
    }

    @Override
    public ModelConfig read(ConfigJson json) {
        for (String key : List.of("head_dim", "num_key_value_heads")) {
            json.refuse(key, "transformers does not read it for a GPT-2; remove it");
        }
        DecoderKeys keys = new DecoderKeys(json, DEFAULTS, NAMES);
        keys.refuseBiasOtherThan(true, "attention_bias");
        keys.refuseBiasOtherThan(true, "mlp_bias");
        int hidden = keys.size("hidden_size");
        Activation.Function function = new Activation.Function(keys.activation("activation_function"), false);
        return keys.config(new Architecture(
                keys.size("vocab_size"),
                hidden,
                keys.layerCount(),
                keys.maxPositions(),
                true,
                new NormTraits(NormKind.LAYER_NORM, keys.epsilon(), NormPlacement.BEFORE_BRANCH),
                keys.attention(
                        keys.all().flag("scale_attn_weights") ? 1 / Math.sqrt(keys.headWidth()) : 1,
                        new AttentionBias(true, true),
                        QueryKeyNorm.NONE,
                        layers(keys)),
                new MlpTraits(innerSize(keys, hidden), function, true),
                Scales.NONE,
                keys.all().flag("tie_word_embeddings")));
    }

    private static int innerSize(DecoderKeys keys, int hidden) {
        if (keys.all().json().hasNonNull("n_inner")) {
            return keys.size("intermediate_size");
        }
        check(
                hidden <= 1 << 24,
                "n_inner is null, which means 4 n_embd, but n_embd is " + hidden + "; at most 2^24 fits");
        return 4 * hidden;
    }

    private static List<LayerAttention> layers(DecoderKeys keys) {
        boolean isDivided = keys.all().flag("scale_attn_by_inverse_layer_idx");
        return keys.layers(layer -> new LayerAttention(null, null, isDivided ? 1.0 / (layer + 1) : 1));
    }

    @Override
    public List<String> loraTargets() {
        return List.of("c_attn");
    }

    @Override
    public List<NamedTensor> tensors(Architecture architecture) {
        List<NamedTensor> tensors = new ArrayList<>();
        int hidden = architecture.hiddenSize();
        int vocabulary = architecture.vocabSize();
        int positions = architecture.maxPositions();
        tensors.add(new NamedTensor(BODY + "wte.weight", ParameterKind.EMBEDDING, 0, 0, vocabulary));
        tensors.add(new NamedTensor(BODY + "wpe.weight", ParameterKind.POSITION_EMBEDDING, 0, 0, positions));
        for (int layer = 0; layer < architecture.layerCount(); layer++) {
            tensors.addAll(layer(BODY + "h." + layer + ".", architecture, layer));
        }
        tensors.add(new NamedTensor(BODY + "ln_f.weight", ParameterKind.LAST_NORM, 0, 0, hidden));
        if (!architecture.isHeadTied()) {
            tensors.add(new NamedTensor(HEAD, ParameterKind.HEAD, 0, 0, vocabulary));
        }
        return tensors;
    }

    private static List<NamedTensor> layer(String prefix, Architecture architecture, int layer) {
        int hidden = architecture.hiddenSize();
        int rows = 3 * architecture.attention().queryWidth();
        int inner = architecture.mlp().innerSize();
        return List.of(
                new NamedTensor(prefix + "ln_1.weight", ParameterKind.ATTENTION_NORM, layer, 0, hidden),
                matrix(prefix + "attn.c_attn.weight", ParameterKind.QKV, layer, rows),
                matrix(prefix + "attn.c_proj.weight", ParameterKind.ATTENTION_OUTPUT, layer, hidden),
                new NamedTensor(prefix + "ln_2.weight", ParameterKind.MLP_NORM, layer, 0, hidden),
                matrix(prefix + "mlp.c_fc.weight", ParameterKind.UP, layer, inner),
                matrix(prefix + "mlp.c_proj.weight", ParameterKind.DOWN, layer, hidden));
    }

    /** A matrix of {@code Conv1D}, which files hold as [in, out]. */
    private static NamedTensor matrix(String name, ParameterKind kind, int layer, int rows) {
        return new NamedTensor(name, kind, layer, 0, rows).transposed();
    }

    /** Matrices whose results are added to the hidden states begin smaller, the more of them there are. */
    @Override
    public double initialScale(ParameterKind matrix, Architecture architecture) {
        boolean isAdded = matrix == ParameterKind.ATTENTION_OUTPUT || matrix == ParameterKind.DOWN;
        return isAdded ? 1 / Math.sqrt(2.0 * architecture.layerCount()) : 1;
    }

    @Override
    public String savedName(String stored) {
        return WITHOUT_BODY.matcher(stored).matches() ? BODY + stored : stored;
    }

    @Override
    public String headName() {
        return HEAD;
    }

    @Override
    public String bodyPrefix() {
        return BODY;
    }

    @Override
    public boolean isComputed(String tensor) {
        return MASKS.matcher(tensor).matches();
    }
}
