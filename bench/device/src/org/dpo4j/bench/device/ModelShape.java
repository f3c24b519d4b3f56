package org.dpo4j.bench.device;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.dpo4j.io.SafeTensors;
import org.dpo4j.model.family.Llama;
import org.dpo4j.model.family.ModelConfig;

/**
 * Sizes of a decoder on which a step is timed.
 *
 * @param tied whether the head is tied to the embedding
 */
record ModelShape(int vocabulary, int hidden, int intermediate, int layers, int heads, int kvHeads, boolean tied) {
    static final int POSITIONS = 32_768;

    /**
     * The sizes of the model that a shape names: {@code qwen2-0.5b} (without the biases of Qwen2), {@code llama3-8b} or
     * {@code tiny}.
     */
    static ModelShape of(Shape shape) {
        return switch (shape.text("model")) {
            case "qwen2-0.5b" -> new ModelShape(151_936, 896, 4864, 24, 14, 2, true);
            case "llama3-8b" -> new ModelShape(128_256, 4096, 14_336, 32, 32, 8, false);
            case "tiny" -> new ModelShape(97, 32, 48, 2, 4, 2, true);
            default -> throw new IllegalArgumentException(shape + " names no model");
        };
    }

    int headWidth() {
        return hidden / heads;
    }

    ModelConfig config() {
        return Llama.config(vocabulary, hidden, intermediate, layers, heads, kvHeads, POSITIONS, tied);
    }

    /** Its tensors in bf16, with Hugging Face names. */
    List<SafeTensors.Plan> tensors() {
        List<SafeTensors.Plan> plans = new ArrayList<>();
        add(plans, "model.embed_tokens.weight", vocabulary, hidden);
        for (int layer = 0; layer < layers; layer++) {
            String prefix = "model.layers." + layer + ".";
            add(plans, prefix + "input_layernorm.weight", hidden);
            add(plans, prefix + "post_attention_layernorm.weight", hidden);
            add(plans, prefix + "self_attn.q_proj.weight", (long) heads * headWidth(), hidden);
            add(plans, prefix + "self_attn.k_proj.weight", (long) kvHeads * headWidth(), hidden);
            add(plans, prefix + "self_attn.v_proj.weight", (long) kvHeads * headWidth(), hidden);
            add(plans, prefix + "self_attn.o_proj.weight", hidden, (long) heads * headWidth());
            add(plans, prefix + "mlp.gate_proj.weight", intermediate, hidden);
            add(plans, prefix + "mlp.up_proj.weight", intermediate, hidden);
            add(plans, prefix + "mlp.down_proj.weight", hidden, intermediate);
        }
        add(plans, "model.norm.weight", hidden);
        if (!tied) {
            add(plans, "lm_head.weight", vocabulary, hidden);
        }
        return plans;
    }

    private static void add(List<SafeTensors.Plan> plans, String name, long... sizes) {
        plans.add(
                new SafeTensors.Plan(name, "BF16", Arrays.stream(sizes).boxed().toList()));
    }

    /** The number of weights in the matrices of all layers, without embedding and head. */
    private double body() {
        double attention = 2.0 * hidden * (heads + kvHeads) * headWidth();
        return layers * (attention + 3.0 * hidden * intermediate);
    }

    /** The number of weights of matrices that a decode step reads. */
    double read() {
        return body() + (double) vocabulary * hidden;
    }

    /**
     * The FLOPs of a pair, if nothing is computed twice: backward is twice forward, a shared prompt counts once,
     * attention is causal, and the head is applied to completion tokens. The log-probs of the reference are not
     * included, and neither are products of adapters.
     */
    double flops(Shape shape) {
        double prompt = shape.at("prompt");
        double completion = shape.at("completion");
        boolean shared = shape.has("layout", "shared");
        double tokens = (shared ? 1 : 2) * prompt + 2 * completion;
        double whole = attention(prompt + completion);
        double scores = 2 * whole - (shared ? attention(prompt) : 0);
        double head = 2.0 * vocabulary * hidden * 2 * completion;
        int products = shape.countOr("adapter", 0) > 0 ? 2 : 3; // no gradients of frozen weights
        return products * (2 * body() * tokens + head) + 3 * scores;
    }

    private double attention(double tokens) {
        return 2.0 * layers * heads * headWidth() * tokens * tokens;
    }
}
