package org.dpo4j.export;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.dpo4j.kernels.Dpo4jException;

/** An architecture of llama.cpp, and the families that it computes. */
enum Target {
    LLAMA("llama", "llama", "mistral"),
    QWEN2("qwen2", "qwen2"),
    QWEN3("qwen3", "qwen3"),
    GEMMA2("gemma2", "gemma2"),
    GEMMA3("gemma3", "gemma3_text");

    private static final Map<String, String> WHOLE = Map.of(
            "model.embed_tokens", "token_embd",
            "model.norm", "output_norm",
            "lm_head", "output");

    private static final Map<String, String> LAYER = Map.of(
            "self_attn.q_proj", "attn_q",
            "self_attn.k_proj", "attn_k",
            "self_attn.v_proj", "attn_v",
            "self_attn.o_proj", "attn_output",
            "self_attn.q_norm", "attn_q_norm",
            "self_attn.k_norm", "attn_k_norm",
            "mlp.gate_proj", "ffn_gate",
            "mlp.up_proj", "ffn_up",
            "mlp.down_proj", "ffn_down",
            "input_layernorm", "attn_norm");

    private static final Map<String, String> NORMS_BEFORE = Map.of("post_attention_layernorm", "ffn_norm");

    private static final Map<String, String> NORMS_AROUND = Map.of(
            "post_attention_layernorm", "post_attention_norm",
            "pre_feedforward_layernorm", "ffn_norm",
            "post_feedforward_layernorm", "post_ffw_norm");

    private final String architecture;
    private final List<String> modelTypes;

    Target(String architecture, String... modelTypes) {
        this.architecture = architecture;
        this.modelTypes = List.of(modelTypes);
    }

    /** The target of a family. Throws if llama.cpp's files are not written for it. */
    static Target find(String modelType) {
        return Arrays.stream(values())
                .filter(target -> target.modelTypes.contains(modelType))
                .findFirst()
                .orElseThrow(() -> new Dpo4jException("model_type is \"" + modelType + "\"; GGUF is written for "
                        + Arrays.stream(values())
                                .flatMap(target -> target.modelTypes.stream())
                                .collect(Collectors.joining(", "))
                        + "; convert this model with llama.cpp's convert_hf_to_gguf.py"));
    }

    /** llama.cpp's name. */
    String architecture() {
        return architecture;
    }

    boolean isGemma() {
        return this == GEMMA2 || this == GEMMA3;
    }

    /** Whether rotary positions turn neighbouring rows of a head, instead of rows that are half a head apart. */
    boolean rotatesNeighbours() {
        return this == LLAMA;
    }

    /** llama.cpp's name of a tensor of a family that names its tensors as Llama does. */
    String tensorName(String name) {
        int end = name.lastIndexOf('.');
        String kind = name.substring(end);
        String prefix = "model.layers.";
        if (!name.startsWith(prefix)) {
            return named(WHOLE.getOrDefault(name.substring(0, end), ""), name) + kind;
        }
        int dot = name.indexOf('.', prefix.length());
        String part = name.substring(dot + 1, end);
        Map<String, String> norms = isGemma() ? NORMS_AROUND : NORMS_BEFORE;
        String found = norms.getOrDefault(part, LAYER.getOrDefault(part, ""));
        return "blk." + name.substring(prefix.length(), dot) + "." + named(found, name) + kind;
    }

    private static String named(String found, String name) {
        if (found.isEmpty()) {
            throw new IllegalStateException(name + " has no name in llama.cpp");
        }
        return found;
    }
}
