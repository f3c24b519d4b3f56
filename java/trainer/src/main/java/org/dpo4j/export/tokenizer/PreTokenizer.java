package org.dpo4j.export.tokenizer;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.dpo4j.kernels.Dpo4jException;

/**
 * Finds llama.cpp's name of the rules by which a byte-level tokenizer splits a text before it merges. llama.cpp has these
 * rules in its code; a file only names them.
 */
final class PreTokenizer {
    private static final String WORDS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|";
    private static final String SPACES = "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
    private static final String SIGNS = "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|";
    private static final String SPLIT = "Split(%s, Isolated), ByteLevel(regex false)";

    /** Rules and the name of llama.cpp. */
    private static final Map<String, String> NAMES = Map.of(
            "ByteLevel(regex true)",
            "gpt-2",
            "Digits(individual), ByteLevel(regex true)",
            "smollm",
            SPLIT.formatted(WORDS + "\\p{N}{1,3}" + SIGNS + SPACES),
            "llama-bpe",
            SPLIT.formatted(WORDS + "\\p{N}" + SIGNS + SPACES),
            "qwen2",
            SPLIT.formatted("[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+|"
                    + "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*|"
                    + "\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|"
                    + SPACES),
            "tekken");

    /** Names whose tokenizers look for a whole word in the vocabulary before they merge. */
    private static final List<String> IGNORE_MERGES = List.of("llama-bpe", "tekken");

    private PreTokenizer() {}

    /** llama.cpp's name. Throws if it has none for these rules. */
    static String name(TokenizerJson tokenizer) {
        List<String> rules = new ArrayList<>();
        describe(tokenizer.part("pre_tokenizer"), rules);
        String all = String.join(", ", rules);
        String name = NAMES.get(all);
        List<String> normalizer = new ArrayList<>();
        describe(tokenizer.part("normalizer"), normalizer);
        if (name == null) {
            throw refused(tokenizer, "pre_tokenizer is " + (all.isEmpty() ? "null" : all));
        }
        boolean isKnown = normalizer.isEmpty() || name.equals("qwen2") && normalizer.equals(List.of("NFC"));
        if (!isKnown) {
            throw refused(tokenizer, "normalizer is " + String.join(", ", normalizer) + " beside the rules of " + name);
        }
        boolean ignoresMerges = tokenizer.model("ignore_merges").asBoolean(false);
        if (ignoresMerges != IGNORE_MERGES.contains(name)) {
            throw refused(tokenizer, "ignore_merges is " + ignoresMerges + " beside the rules of " + name);
        }
        return name;
    }

    private static Dpo4jException refused(TokenizerJson tokenizer, String what) {
        return new Dpo4jException(tokenizer.file() + ": " + what + ", which is not one of the tokenizers that GGUF is"
                + " written for ("
                + String.join(", ", NAMES.values().stream().sorted().toList())
                + ", or SentencePiece); convert this model with llama.cpp's convert_hf_to_gguf.py");
    }

    /** Adds each rule in words. Offsets, which no token depends on, are left out. */
    private static void describe(JsonNode rule, List<String> rules) {
        String type = rule.path("type").asText("");
        switch (type) {
            case "" -> {
                // there is none
            }
            case "Sequence" -> {
                for (JsonNode part : rule.has("pretokenizers") ? rule.get("pretokenizers") : rule.path("normalizers")) {
                    describe(part, rules);
                }
            }
            case "ByteLevel" ->
                rules.add(
                        rule.path("add_prefix_space").asBoolean(true)
                                ? rule.toString()
                                : "ByteLevel(regex " + rule.path("use_regex").asBoolean(true) + ")");
            case "Digits" -> rules.add(rule.path("individual_digits").asBoolean() ? "Digits(individual)" : "Digits");
            case "Split" ->
                rules.add(
                        rule.path("invert").asBoolean(false)
                                ? rule.toString()
                                : "Split(" + rule.path("pattern").path("Regex").asText() + ", "
                                        + rule.path("behavior").asText() + ")");
            default -> rules.add(rule.size() == 1 ? type : rule.toString());
        }
    }
}
