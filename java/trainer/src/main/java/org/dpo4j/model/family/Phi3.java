package org.dpo4j.model.family;

import static org.dpo4j.model.family.ConfigJson.check;

import java.util.List;
import org.dpo4j.io.JsonFile;
import org.dpo4j.model.family.Architecture.AttentionBias;

/**
 * Phi-3, Phi-3.5-mini, Phi-4 and Phi-4-mini (Abdin et al. 2024). Files hold queries, keys and values in one tensor, and
 * gate and up in another.
 */
final class Phi3 implements LlamaLike {
    private static final ConfigJson DEFAULTS = new ConfigJson(JsonFile.parse("""
            {"model_type": "phi3", "architectures": ["Phi3ForCausalLM"],
             "vocab_size": 32064, "hidden_size": 3072, "intermediate_size": 8192, "num_hidden_layers": 32,
             "num_attention_heads": 32, "num_key_value_heads": null, "head_dim": null, "hidden_act": "silu",
             "max_position_embeddings": 4096, "original_max_position_embeddings": 4096, "rms_norm_eps": 1e-5,
             "rope_theta": 10000.0, "sliding_window": null, "tie_word_embeddings": false, "initializer_range": 0.02,
             "bos_token_id": 1, "eos_token_id": 32000}
            """));

    @Override
    public String modelType() {
        return "phi3";
    }

    @Override
    public List<String> loraTargets() {
        return List.of("qkv_proj");
    }

    @Override
    public ModelConfig read(ConfigJson json) {
        DecoderKeys keys = new DecoderKeys(json, DEFAULTS);
        for (String bias : List.of("attention_bias", "mlp_bias", "lm_head_bias")) {
            keys.refuseBias(bias);
        }
        int heads = keys.all().integer("num_attention_heads");
        int hidden = keys.all().integer("hidden_size");
        check(
                (long) keys.headWidth() * heads == hidden,
                "head_dim is " + keys.headWidth() + ", but hidden_size / num_attention_heads is "
                        + (double) hidden / heads + "; transformers does not load such a Phi-3");
        return keys.config(keys.attention(
                AttentionBias.NONE, keys.sameLayers(rotation(keys), keys.all().integerOrNull("sliding_window"))));
    }

    /** {@code "su"} and {@code "yarn"} are names of longrope in early files. */
    private static Rotation rotation(DecoderKeys keys) {
        RopeKeys rope = keys.rope();
        int width = (int) (keys.headWidth() * rope.rotatedShare());
        return switch (rope.type()) {
            case "default" -> new Rotation(keys.theta(), width);
            case "longrope", "su", "yarn" ->
                new Rotation(keys.theta(), width, rope.longRope(keys.maxPositions(), original(keys, rope)));
            default -> throw rope.unsupported(rope.type());
        };
    }

    /** The number at the top level, also if that is the default. */
    private static int original(DecoderKeys keys, RopeKeys rope) {
        int original = keys.all().integer("original_max_position_embeddings");
        Integer inside = rope.parameters().integerOrNull("original_max_position_embeddings");
        check(
                inside == null || inside == original,
                "original_max_position_embeddings is " + original + ", given or by default, but " + rope.name()
                        + " has " + inside + "; set the first to the one of the model's training");
        return original;
    }

    @Override
    public List<NamedTensor> attention(String prefix, Architecture architecture, int layer) {
        int hidden = architecture.hiddenSize();
        int qkv = architecture.attention().queryWidth()
                + 2 * architecture.attention().keyWidth();
        return List.of(
                new NamedTensor(prefix + "qkv_proj.weight", ParameterKind.QKV, layer, 0, qkv),
                new NamedTensor(prefix + "o_proj.weight", ParameterKind.ATTENTION_OUTPUT, layer, 0, hidden));
    }

    @Override
    public List<NamedTensor> mlp(String prefix, Architecture architecture, int layer) {
        int hidden = architecture.hiddenSize();
        int inner = architecture.mlp().innerSize();
        return List.of(
                new NamedTensor(prefix + "gate_up_proj.weight", ParameterKind.GATE_UP, layer, 0, 2 * inner),
                new NamedTensor(prefix + "down_proj.weight", ParameterKind.DOWN, layer, 0, hidden));
    }
}
