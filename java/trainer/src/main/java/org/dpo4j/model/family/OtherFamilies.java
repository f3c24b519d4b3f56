package org.dpo4j.model.family;

import static java.util.Map.entry;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.StreamSupport;

/**
 * Explains why a family is not supported: names the parts of its architecture that dpo4j does not compute, such as a mixture of
 * experts. Most parts have a key in {@code config.json}, so new families are explained too. A table lists the parts of families
 * whose keys do not show them.
 */
final class OtherFamilies {
    private OtherFamilies() {}

    private static final String EXPERTS = "a mixture of experts";
    private static final String STATE_SPACE = "state-space layers";
    private static final String INTERLEAVED = "rotary positions of neighbouring pairs";
    private static final String PARALLEL = "attention and MLP in parallel after one norm";
    private static final String LATER_TOKENS = "attention to later tokens, as in BERT";

    /** Keys whose value, unless it is null, false or 0, shows a part. */
    private static final Map<String, List<String>> KEYS = keys();

    private static Map<String, List<String>> keys() {
        Map<String, List<String>> keys = new LinkedHashMap<>();
        keys.put(
                "a vision tower",
                List.of("vision_config", "vision_tower", "mm_vision_tower", "img_processor", "visual", "vit_config"));
        keys.put("an audio tower", List.of("audio_config", "audio_encoder_config", "audio_processor"));
        keys.put(
                EXPERTS,
                List.of(
                        "num_local_experts",
                        "num_experts",
                        "n_routed_experts",
                        "moe_num_experts",
                        "num_experts_per_tok",
                        "moe_intermediate_size"));
        keys.put("attention through a latent of low rank", List.of("kv_lora_rank"));
        keys.put(
                STATE_SPACE,
                List.of("state_size", "ssm_state_size", "ssm_cfg", "mamba_d_state", "mamba_state_dim", "mamba_expand"));
        keys.put(
                "layers of linear attention",
                List.of("linear_num_value_heads", "linear_conv_kernel_dim", "linear_attn_config"));
        keys.put("recurrent layers", List.of("lru_width"));
        keys.put("layers of convolution", List.of("conv_L_cache"));
        keys.put("ALiBi positions", List.of("alibi"));
        keys.put("relative positions", List.of("relative_attention_num_buckets"));
        keys.put("attention within chunks", List.of("attention_chunk_size"));
        keys.put("an embedding for each layer", List.of("hidden_size_per_layer_input"));
        keys.put("layers that share keys and values", List.of("num_kv_shared_layers"));
        keys.put("an encoder", List.of("is_encoder_decoder", "encoder_layers"));
        keys.put(LATER_TOKENS, List.of("type_vocab_size"));
        return keys;
    }

    private static final Map<String, String> KINDS_OF_LAYERS = Map.of(
            "linear_attention", "layers of linear attention",
            "chunked_attention", "attention within chunks",
            "conv", "layers of convolution",
            "mamba", STATE_SPACE,
            "recurrent", "recurrent layers");

    private static final Set<String> ACTIVATIONS = Set.of("relu", "relu2", "xielu");

    /** By {@code model_type}, what no key shows. */
    private static final Map<String, String> NAMES = Map.ofEntries(
            entry("bloom", "ALiBi positions and a norm of the embedding"),
            entry("codegen", PARALLEL + ", and " + INTERLEAVED),
            entry("cohere", PARALLEL + ", and " + INTERLEAVED),
            entry("cohere2", PARALLEL + ", and " + INTERLEAVED),
            entry("dbrx", EXPERTS),
            entry("distilbert", LATER_TOKENS),
            entry("ernie4_5", INTERLEAVED),
            entry(
                    "exaone4",
                    "norms after branches together with norms of each head, and layers without rotary positions"),
            entry("falcon", PARALLEL + ", and keys that heads share in an order of its own"),
            entry(
                    "gemma",
                    "norms that add 1 to the weight, before branches alone (Gemma 2 and 3 have them before and after)"),
            entry("glm", INTERLEAVED),
            entry("glm4", INTERLEAVED),
            entry("gpt_bigcode", "keys that all heads share, in one matrix with the queries"),
            entry("gpt_neo", "attention without a scale"),
            entry("gptj", PARALLEL + ", and " + INTERLEAVED),
            entry("helium", INTERLEAVED),
            entry("ministral", "windows in some layers alone (Mistral has them in all layers or in none)"),
            entry("ministral3", "queries scaled by position"),
            entry("mixtral", EXPERTS),
            entry("modernbert", LATER_TOKENS),
            entry("mpt", "ALiBi positions"),
            entry("nanochat", "norms without weights"),
            entry("nemotron", "LayerNorm that adds 1 to the weight"),
            entry("olmo", "norms without weights (OLMo 2 and 3 have them)"),
            entry("opt", "learned positions that begin at 2"),
            entry("phi", PARALLEL + ", and a bias of the LM head (Phi-3 and Phi-4-mini have neither)"),
            entry("rwkv", "recurrent layers"),
            entry("stablelm", "LayerNorm together with a gated MLP"),
            entry("vaultgemma", "Gemma 2's parts with norms before branches alone"),
            entry("xglm", "sinusoidal positions"),
            entry("xlstm", "recurrent layers"));

    /** For the error: what the family has, and what can be done about it, or nothing. */
    static String explanation(ConfigJson config, List<String> supported) {
        List<String> parts = differences(config);
        String text = config.at("text_config").text("model_type", "");
        return (parts.isEmpty() ? "" : ": it has " + String.join("; ", parts))
                + (supported.contains(text)
                        ? "; its text_config is a \"" + text + "\", which is supported if it is saved alone"
                        : "");
    }

    /** Each part with the key that shows it, such as {@code a mixture of experts (num_experts is 64)}; may be empty. */
    private static List<String> differences(ConfigJson config) {
        Map<String, String> found = new LinkedHashMap<>();
        JsonNode json = config.json();
        collect(json, "", found);
        for (String inner : List.of("text_config", "llm_config", "language_config", "attn_config")) {
            collect(json.path(inner), inner + ".", found);
        }
        String type = config.text("model_type", "");
        String named = NAMES.get(type);
        if (named != null) {
            found.putIfAbsent(named, "");
        }
        if (type.contains("moe")
                && KEYS.getOrDefault(EXPERTS, List.of()).stream().noneMatch(json::has)) {
            found.putIfAbsent(EXPERTS, "");
        }
        if (found.isEmpty() && json.hasNonNull("text_config")) {
            found.put("a language model within another", "text_config");
        }
        return found.entrySet().stream()
                .map(part -> part.getKey() + (part.getValue().isEmpty() ? "" : " (" + part.getValue() + ")"))
                .toList();
    }

    private static void collect(JsonNode json, String prefix, Map<String, String> found) {
        KEYS.forEach((part, keys) -> keys.stream()
                .filter(key -> isSet(json.path(key)))
                .findFirst()
                .ifPresent(key -> found.putIfAbsent(part, prefix + shown(key, json.path(key)))));
        for (String key : List.of("layer_types", "block_types", "layers_block_type")) {
            for (JsonNode kind : json.path(key)) {
                String part = KINDS_OF_LAYERS.get(kind.asText());
                if (part != null && !found.containsKey(STATE_SPACE)) { // whose layers some files call linear_attention
                    found.putIfAbsent(part, prefix + key + " has \"" + kind.asText() + "\"");
                }
            }
        }
        for (String key : List.of("hidden_act", "hidden_activation", "activation_function")) {
            if (ACTIVATIONS.contains(json.path(key).asText())) {
                found.putIfAbsent("the activation " + json.path(key).asText(), prefix + key);
            }
        }
        List<String> masked = texts(json.path("architectures"));
        masked.removeIf(name -> !name.endsWith("ForMaskedLM"));
        if (!masked.isEmpty()) {
            found.putIfAbsent(LATER_TOKENS, prefix + "architectures has " + String.join(", ", masked));
        }
    }

    private static List<String> texts(JsonNode array) {
        return StreamSupport.stream(array.spliterator(), false)
                .map(JsonNode::asText)
                .collect(Collectors.toCollection(ArrayList::new));
    }

    private static boolean isSet(JsonNode value) {
        return value.isContainerNode() || value.isTextual() || value.asBoolean(false);
    }

    /** The key, with its value if that is short. */
    private static String shown(String key, JsonNode value) {
        return value.isNumber() || value.isBoolean() ? key + " is " + value : key;
    }
}
