package org.dpo4j.bench.device;

import java.util.LinkedHashMap;
import java.util.Map;
import org.dpo4j.model.family.Llama;
import org.dpo4j.model.family.ModelConfig;

/**
 * Sizes of a decoder that a step is timed on.
 *
 * @param layers of it
 * @param heads of queries
 * @param kvHeads of keys and values
 * @param tied whether the head is the embedding
 */
record ModelShape(int vocabulary, int hidden, int intermediate, int layers, int heads, int kvHeads, boolean tied) {
    static final int POSITIONS = 32_768;

    /** By the name that a shape gives: {@code model qwen2-0.5b}, without the biases of Qwen2, or one to look at. */
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

    /** Matrices, and vectors as matrices of one row, under Hugging Face's names. */
    Map<String, int[]> tensors() {
        Map<String, int[]> tensors = new LinkedHashMap<>();
        tensors.put("model.embed_tokens.weight", new int[] {vocabulary, hidden});
        for (int layer = 0; layer < layers; layer++) {
            String prefix = "model.layers." + layer + ".";
            tensors.put(prefix + "input_layernorm.weight", new int[] {hidden});
            tensors.put(prefix + "post_attention_layernorm.weight", new int[] {hidden});
            tensors.put(prefix + "self_attn.q_proj.weight", new int[] {heads * headWidth(), hidden});
            tensors.put(prefix + "self_attn.k_proj.weight", new int[] {kvHeads * headWidth(), hidden});
            tensors.put(prefix + "self_attn.v_proj.weight", new int[] {kvHeads * headWidth(), hidden});
            tensors.put(prefix + "self_attn.o_proj.weight", new int[] {hidden, heads * headWidth()});
            tensors.put(prefix + "mlp.gate_proj.weight", new int[] {intermediate, hidden});
            tensors.put(prefix + "mlp.up_proj.weight", new int[] {intermediate, hidden});
            tensors.put(prefix + "mlp.down_proj.weight", new int[] {hidden, intermediate});
        }
        tensors.put("model.norm.weight", new int[] {hidden});
        if (!tied) {
            tensors.put("lm_head.weight", new int[] {vocabulary, hidden});
        }
        return tensors;
    }

    /** Weights of the matrices of the layers: no embedding, no head. */
    private double body() {
        double attention = 2.0 * hidden * (heads + kvHeads) * headWidth();
        return layers * (attention + 3.0 * hidden * intermediate);
    }

    /**
     * FLOPs of a pair that are needed: every token once forward and twice backward, prompts once where they are shared, causal attention, the
     * head on completion tokens, nothing computed again, the reference known.
     */
    double flops(Shape shape) {
        double prompt = shape.at("prompt");
        double completion = shape.at("completion");
        boolean shared = shape.has("layout", "shared");
        double tokens = (shared ? 1 : 2) * prompt + 2 * completion;
        double whole = attention(prompt + completion);
        double scores = 2 * whole - (shared ? attention(prompt) : 0);
        double head = 2.0 * vocabulary * hidden * 2 * completion;
        return 3 * (2 * body() * tokens + head + scores);
    }

    private double attention(double tokens) {
        return 2.0 * layers * heads * headWidth() * tokens * tokens;
    }
}
