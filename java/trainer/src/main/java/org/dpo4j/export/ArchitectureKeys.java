package org.dpo4j.export;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;
import org.dpo4j.io.gguf.GgufMetadata;
import org.dpo4j.model.family.Architecture;
import org.dpo4j.model.family.Architecture.AttentionTraits;
import org.dpo4j.model.family.Architecture.LayerAttention;
import org.dpo4j.model.family.ModelConfig;
import org.dpo4j.model.family.RopeScaling;
import org.dpo4j.model.family.Rotation;

/** Writes the sizes and traits of a model as llama.cpp's keys, which begin with the architecture's name. */
record ArchitectureKeys(Target target, ModelConfig config, GgufMetadata metadata) {
    private static final double USUAL_THETA = 10_000;

    void put() {
        Architecture model = config.architecture();
        AttentionTraits attention = model.attention();
        integer("block_count", model.layerCount());
        integer("context_length", model.maxPositions());
        integer("embedding_length", model.hiddenSize());
        integer("feed_forward_length", model.mlp().innerSize());
        integer("attention.head_count", attention.heads());
        integer("attention.head_count_kv", attention.keyHeads());
        putRotation();
        number("attention.layer_norm_rms_epsilon", model.norm().epsilon());
        if (target != Target.QWEN2 || config.json().hasNonNull("head_dim")) {
            integer("attention.key_length", attention.headDim());
            integer("attention.value_length", attention.headDim());
        }
        if (target == Target.LLAMA) {
            integer("vocab_size", model.vocabSize());
            integer("rope.dimension_count", attention.headDim());
        }
        if (target.isGemma()) {
            putGemma(model);
        }
    }

    private void putGemma(Architecture model) {
        if (model.attention().softCap() > 0) {
            number("attn_logit_softcapping", model.attention().softCap());
        }
        if (model.scales().logitsCap() > 0) {
            number("final_logit_softcapping", model.scales().logitsCap());
        }
        Integer window = model.attention().layers().get(0).window();
        if (window != null) {
            integer("attention.sliding_window", window);
        }
    }

    private void putRotation() {
        List<LayerAttention> layers = config.architecture().attention().layers();
        LayerAttention full = layers.stream()
                .filter(layer -> layer.window() == null)
                .findFirst()
                .orElse(layers.get(0));
        Rotation rotation = Representable.rotation(target == Target.GEMMA3 ? full : layers.get(0));
        putScaling(rotation.scaling());
        if (target != Target.GEMMA2 || rotation.theta() != USUAL_THETA) {
            number("rope.freq_base", rotation.theta());
        }
        if (target == Target.GEMMA3) {
            number("rope.freq_base_swa", Representable.rotation(layers.get(0)).theta());
        }
    }

    private void putScaling(RopeScaling scaling) {
        if (scaling instanceof RopeScaling.Linear linear) {
            metadata.putText(key("rope.scaling.type"), "linear");
            number("rope.scaling.factor", linear.factor());
        } else if (scaling instanceof RopeScaling.Yarn yarn) {
            metadata.putText(key("rope.scaling.type"), "yarn");
            number("rope.scaling.factor", yarn.factor());
            integer("rope.scaling.original_context_length", yarn.originalPositions());
            if (states("beta_fast")) {
                number("rope.scaling.yarn_beta_fast", yarn.betaFast());
            }
            if (states("beta_slow")) {
                number("rope.scaling.yarn_beta_slow", yarn.betaSlow());
            }
        }
    }

    /** Whether the file gives a parameter of the rotary positions. */
    private boolean states(String parameter) {
        JsonNode json = config.json();
        return json.path("rope_scaling").hasNonNull(parameter)
                || json.path("rope_parameters").hasNonNull(parameter);
    }

    private void integer(String key, long value) {
        metadata.putInteger(key(key), value);
    }

    private void number(String key, double value) {
        metadata.putNumber(key(key), value);
    }

    private String key(String key) {
        return target.architecture() + "." + key;
    }
}
