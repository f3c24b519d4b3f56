package org.dpo4j.export;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.IntStream;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.kernels.decoder.Activation;
import org.dpo4j.model.family.Architecture;
import org.dpo4j.model.family.Architecture.AttentionBias;
import org.dpo4j.model.family.Architecture.AttentionTraits;
import org.dpo4j.model.family.Architecture.LayerAttention;
import org.dpo4j.model.family.ModelConfig;
import org.dpo4j.model.family.RopeScaling;
import org.dpo4j.model.family.Rotation;

/**
 * Compares what a model computes with what llama.cpp computes from its file. llama.cpp derives some traits from the
 * architecture's name and the number of layers, so a file cannot state others.
 */
record Representable(Target target, ModelConfig config) {
    private static final int GEMMA2_27B_LAYERS = 46;
    private static final int GEMMA3_27B_LAYERS = 62;
    private static final int GEMMA3_PERIOD = 6;
    private static final double SAME = 1e-6;

    /** Throws if llama.cpp would compute another model, naming the key of {@code config.json}. */
    void check() {
        Architecture model = config.architecture();
        checkBiases(model);
        Activation.Kind wanted = target.isGemma() ? Activation.Kind.GELU_TANH : Activation.Kind.SILU;
        require(
                model.mlp().function().kind() == wanted,
                (target.isGemma() ? "hidden_activation" : "hidden_act") + " is not "
                        + (target.isGemma() ? "gelu_pytorch_tanh" : "silu"));
        model.attention().layers().forEach(layer -> checkScaling(rotation(layer).scaling()));
        if (target.isGemma()) {
            checkGemma(model);
        }
    }

    /** What llama.cpp leaves out, for the user to know. */
    List<String> notices() {
        Architecture model = config.architecture();
        List<String> notices = new ArrayList<>();
        int window =
                IntStream.range(0, model.layerCount()).map(model::window).max().orElse(0);
        if (!target.isGemma() && window > 0) {
            notices.add("llama.cpp computes " + target.architecture() + " without sliding_window " + window
                    + ": texts of more tokens give other results there");
        }
        if (rotation(model.attention().layers().get(0)).scaling() instanceof RopeScaling.Dynamic) {
            notices.add("llama.cpp has no dynamic rotary positions: texts of more than " + model.maxPositions()
                    + " tokens give other results there");
        }
        return notices;
    }

    private void checkBiases(Architecture model) {
        AttentionBias bias = model.attention().bias();
        switch (target) {
            case LLAMA, QWEN2 -> {
                // llama.cpp reads every bias that a file has
            }
            case QWEN3, GEMMA2, GEMMA3 -> {
                require(!bias.isOnQkv() && !bias.isOnOutput(), "attention_bias is true");
                require(!model.mlp().hasBias(), "mlp_bias is true");
            }
        }
    }

    private void checkScaling(RopeScaling scaling) {
        require(!(scaling instanceof RopeScaling.LongRope), "rope_type is longrope");
        if (scaling instanceof RopeScaling.Yarn yarn) {
            double usual = 1 + 0.1 * Math.log(Math.max(yarn.factor(), 1));
            require(
                    isSame(yarn.attentionFactor(), usual),
                    String.format(
                            Locale.ROOT,
                            "attention_factor of yarn is %s, by itself or by mscale, where llama.cpp takes 1 + 0.1 ln(factor)",
                            yarn.attentionFactor()));
            require(yarn.isTruncated(), "truncate of yarn is false");
        }
        require(
                !target.isGemma() || scaling instanceof RopeScaling.None || scaling instanceof RopeScaling.Linear,
                "rotary positions are scaled by another rule than linear");
    }

    private void checkGemma(Architecture model) {
        AttentionTraits attention = model.attention();
        int period = target == Target.GEMMA2 ? 2 : GEMMA3_PERIOD;
        for (int layer = 0; layer < model.layerCount(); layer++) {
            boolean hasWindow = attention.layers().get(layer).window() != null;
            require(
                    hasWindow == ((layer + 1) % period != 0),
                    "layer_types or sliding_window_pattern gives layer " + layer + (hasWindow ? " a" : " no")
                            + " window, where llama.cpp gives one to all layers but every " + period + "th");
        }
        require(
                target != Target.GEMMA2
                        || attention.softCap() > 0 && model.scales().logitsCap() > 0,
                "attn_logit_softcapping or final_logit_softcapping is null");
        require(
                isSame(attention.scale(), usualScale(model)),
                String.format(
                        Locale.ROOT,
                        "query_pre_attn_scalar is %.6g, where llama.cpp takes %.6g for %d layers",
                        Math.pow(attention.scale(), -2),
                        Math.pow(usualScale(model), -2),
                        model.layerCount()));
    }

    /** llama.cpp's factor of a Gemma's scores: by the width of a head, in the models of 27B parameters by hidden size / heads. */
    private double usualScale(Architecture model) {
        AttentionTraits attention = model.attention();
        boolean is27b = model.layerCount() == (target == Target.GEMMA2 ? GEMMA2_27B_LAYERS : GEMMA3_27B_LAYERS);
        return 1 / Math.sqrt(is27b ? model.hiddenSize() / attention.heads() : attention.headDim());
    }

    private static boolean isSame(double a, double b) {
        return Math.abs(a / b - 1) < SAME;
    }

    /** The rotation of a layer, which each layer of these families has. */
    static Rotation rotation(LayerAttention layer) {
        Rotation rotation = layer.rotation();
        if (rotation == null) {
            throw new IllegalStateException("a layer without positions");
        }
        return rotation;
    }

    private void require(boolean holds, String otherwise) {
        if (!holds) {
            throw new Dpo4jException(otherwise + ", which llama.cpp does not compute for " + target.architecture()
                    + "; serve this model with transformers or vLLM");
        }
    }
}
