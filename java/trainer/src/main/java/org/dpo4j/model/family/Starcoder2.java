package org.dpo4j.model.family;

import static org.dpo4j.model.family.ConfigJson.check;

import java.util.List;
import java.util.Map;
import org.dpo4j.io.JsonFile;
import org.dpo4j.model.family.Architecture.AttentionBias;
import org.dpo4j.model.family.Architecture.NormKind;
import org.dpo4j.model.family.Architecture.NormPlacement;
import org.dpo4j.model.family.Architecture.NormTraits;
import org.dpo4j.model.family.Architecture.Scales;

/** StarCoder2 (Lozhkov et al. 2024): LayerNorm, an MLP without gate, and a bias of every matrix or of none. */
final class Starcoder2 implements LlamaLike {
    private static final ConfigJson DEFAULTS = new ConfigJson(JsonFile.parse("""
            {"model_type": "starcoder2", "architectures": ["Starcoder2ForCausalLM"],
             "vocab_size": 49152, "hidden_size": 3072, "intermediate_size": 12288, "num_hidden_layers": 30,
             "num_attention_heads": 24, "num_key_value_heads": 2, "head_dim": null, "hidden_act": "gelu_pytorch_tanh",
             "max_position_embeddings": 4096, "norm_epsilon": 1e-5, "rope_theta": 10000.0, "sliding_window": null,
             "use_bias": true, "tie_word_embeddings": true, "initializer_range": 0.018042, "bos_token_id": 50256,
             "eos_token_id": 50256}
            """));

    @Override
    public String modelType() {
        return "starcoder2";
    }

    @Override
    public ModelConfig read(ConfigJson json) {
        DecoderKeys keys = new DecoderKeys(json, DEFAULTS, Map.of("rms_norm_eps", "norm_epsilon"));
        keys.size("num_key_value_heads"); // null is not the number of heads here
        boolean hasBias = keys.all().flag("use_bias");
        keys.refuseBiasOtherThan(hasBias, "attention_bias");
        keys.refuseBiasOtherThan(hasBias, "mlp_bias");
        refuseOtherThan("layer_norm", json, "norm_type");
        refuseOtherThan("default", json, "mlp_type");
        return keys.config(
                keys.attention(
                        new AttentionBias(hasBias, hasBias),
                        keys.sameLayers(keys.rotation(), keys.all().integerOrNull("sliding_window"))),
                new NormTraits(NormKind.LAYER_NORM, keys.epsilon(), NormPlacement.BEFORE_BRANCH),
                keys.mlpWithoutGate(hasBias),
                Scales.NONE);
    }

    /** Published files have these keys, which transformers does not read. */
    private static void refuseOtherThan(String value, ConfigJson json, String key) {
        String given = json.text(key, value);
        check(
                given.equals(value),
                key + " is \"" + given + "\", which transformers does not read for this family; set it to \"" + value
                        + "\"");
    }

    @Override
    public List<NamedTensor> mlp(String prefix, Architecture architecture, int layer) {
        int inner = architecture.mlp().innerSize();
        return List.of(
                new NamedTensor(prefix + "c_fc.weight", ParameterKind.UP, layer, 0, inner),
                new NamedTensor(prefix + "c_proj.weight", ParameterKind.DOWN, layer, 0, architecture.hiddenSize()));
    }
}
