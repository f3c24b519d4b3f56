package org.dpo4j.model.family;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.dpo4j.io.JsonFile;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;

/**
 * The defaults of {@code generation_config.json}, as transformers' {@code generate} reads them. Null: the file does not
 * set the option.
 *
 * @param doSample whether tokens are sampled; otherwise the choice is greedy
 * @param maxLength maximum tokens of prompt and continuation; has no effect beside {@code maxNewTokens}
 * @param unknown keys that neither transformers nor dpo4j knows, which have no effect
 */
public record GenerationDefaults(
        boolean doSample,
        @Nullable Double temperature,
        @Nullable Integer topK,
        @Nullable Double topP,
        @Nullable Double minP,
        @Nullable Double repetitionPenalty,
        @Nullable Integer maxNewTokens,
        @Nullable Integer maxLength,
        @Nullable Integer minNewTokens,
        List<String> stopStrings,
        List<String> unknown) {
    public static final String FILE = "generation_config.json";

    /** Of a model without the file. */
    public static final GenerationDefaults NONE =
            new GenerationDefaults(false, null, null, null, null, null, null, null, null, List.of(), List.of());

    private static final Set<String> READ = Set.of(
            "do_sample",
            "temperature",
            "top_k",
            "top_p",
            "min_p",
            "repetition_penalty",
            "max_new_tokens",
            "max_length",
            "min_new_tokens",
            "stop_strings");

    /** Options that dpo4j does not have, with the values that turn them off. Null turns each of them off. */
    private static final Map<String, Set<String>> UNSUPPORTED = unsupported();

    /** Keys that change no token of a decoder's text, or that another class reads. */
    private static final Set<String> HARMLESS = Set.of(
            "_commit_hash",
            "_from_model_config",
            "assistant_confidence_threshold",
            "assistant_lookbehind",
            "bos_token_id",
            "cache_config",
            "cache_implementation",
            "compile_config",
            "continuous_batching_config",
            "decoder_start_token_id",
            "disable_compile",
            "early_stopping",
            "encoder_no_repeat_ngram_size",
            "encoder_repetition_penalty",
            "eos_token_id",
            "is_assistant",
            "length_penalty",
            "low_memory",
            "max_cache_len",
            "max_matching_ngram_size",
            "num_assistant_tokens",
            "num_assistant_tokens_schedule",
            "output_attentions",
            "output_hidden_states",
            "output_logits",
            "output_scores",
            "pad_token_id",
            "prefill_chunk_size",
            "renormalize_logits",
            "return_dict_in_generate",
            "target_lookbehind",
            "transformers_version",
            "use_cache");

    private static Map<String, Set<String>> unsupported() {
        Map<String, Set<String>> keys = new TreeMap<>();
        for (String key :
                List.of("num_beams", "num_beam_groups", "num_return_sequences", "typical_p", "guidance_scale")) {
            keys.put(key, Set.of("1", "1.0"));
        }
        for (String key : List.of(
                "penalty_alpha",
                "diversity_penalty",
                "no_repeat_ngram_size",
                "epsilon_cutoff",
                "eta_cutoff",
                "min_length",
                "assistant_early_exit",
                "prompt_lookup_num_tokens")) {
            keys.put(key, Set.of("0", "0.0"));
        }
        for (String key : List.of("remove_invalid_values", "token_healing", "use_mtp")) {
            keys.put(key, Set.of("false"));
        }
        for (String key : List.of(
                "assistant_ensemble_weight",
                "bad_words_ids",
                "begin_suppress_tokens",
                "constraints",
                "dola_layers",
                "exponential_decay_length_penalty",
                "force_words_ids",
                "forced_bos_token_id",
                "forced_eos_token_id",
                "max_time",
                "sequence_bias",
                "speculation_type",
                "suppress_tokens",
                "top_h",
                "watermarking_config")) {
            keys.put(key, Set.of());
        }
        return keys;
    }

    /** Reads the file of a model directory; {@link #NONE} if it has none. */
    public static GenerationDefaults read(Path directory) {
        Path file = directory.resolve(FILE);
        if (!Files.exists(file)) {
            return NONE;
        }
        try {
            return read(new ConfigJson(JsonFile.read(file)));
        } catch (Dpo4jException e) {
            String message = String.valueOf(e.getMessage());
            throw message.startsWith(file.toString()) ? e : new Dpo4jException(file + ": " + message, e);
        }
    }

    private static GenerationDefaults read(ConfigJson json) {
        List<String> unknown = new ArrayList<>();
        for (Map.Entry<String, JsonNode> field : json.json().properties()) {
            String key = field.getKey();
            Set<String> off = UNSUPPORTED.get(key);
            if (off != null) {
                ConfigJson.check(
                        field.getValue().isNull()
                                || off.contains(field.getValue().toString()),
                        key + " is " + field.getValue() + ", which is not supported; remove the key");
            } else if (!READ.contains(key) && !HARMLESS.contains(key)) {
                unknown.add(key);
            }
        }
        return new GenerationDefaults(
                json.flag("do_sample"),
                number(json, "temperature"),
                json.integerOrNull("top_k"),
                number(json, "top_p"),
                number(json, "min_p"),
                number(json, "repetition_penalty"),
                json.integerOrNull("max_new_tokens"),
                json.integerOrNull("max_length"),
                json.integerOrNull("min_new_tokens"),
                strings(json.json().path("stop_strings")),
                unknown);
    }

    private static @Nullable Double number(ConfigJson json, String key) {
        return json.json().hasNonNull(key) ? Double.valueOf(json.number(key)) : null;
    }

    private static List<String> strings(JsonNode value) {
        if (value.isNull() || value.isMissingNode()) {
            return List.of();
        }
        List<String> strings = new ArrayList<>();
        for (JsonNode each : value.isArray() ? value : List.of(value)) {
            ConfigJson.check(
                    each.isTextual() && !each.textValue().isEmpty(),
                    "stop_strings is " + value + "; a text, or a list of texts, is expected");
            strings.add(each.textValue());
        }
        return strings;
    }
}
