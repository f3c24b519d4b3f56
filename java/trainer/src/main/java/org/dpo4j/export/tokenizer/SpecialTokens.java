package org.dpo4j.export.tokenizer;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.dpo4j.io.gguf.GgufMetadata;
import org.jspecify.annotations.Nullable;

/**
 * The ids of special tokens, and which of them are added to a text. Names are looked up in tokenizer_config.json, ids in
 * {@code config.json}, as llama.cpp's converter does; if that has a list of ids, the first counts.
 */
final class SpecialTokens {
    /** Names of transformers, and of llama.cpp's keys. */
    private static final Map<String, String> KEYS = keys();

    private final @Nullable TokenizerJson json;
    private final ObjectNode config;
    private final ObjectNode model;

    /** Texts of tokens by their name. */
    private final Map<String, String> texts = new LinkedHashMap<>();

    /** Whether a token is added to a text, by its name. */
    private final Map<String, Boolean> added = new LinkedHashMap<>();

    /**
     * Reads nothing yet.
     *
     * @param config {@code tokenizer_config.json}
     * @param model {@code config.json}
     */
    SpecialTokens(@Nullable TokenizerJson json, ObjectNode config, ObjectNode model) {
        this.json = json;
        this.config = config;
        this.model = model;
    }

    private static Map<String, String> keys() {
        Map<String, String> keys = new LinkedHashMap<>();
        keys.put("bos", "bos");
        keys.put("eos", "eos");
        keys.put("unk", "unknown");
        keys.put("sep", "seperator"); // so spelled in llama.cpp
        keys.put("pad", "padding");
        keys.put("mask", "mask");
        keys.put("eot", "eot");
        return keys;
    }

    void put(GgufMetadata metadata, int size) {
        for (String name : List.of("bos", "eos", "unk", "sep", "pad", "cls", "mask")) {
            String text = text(config.path(name + "_token"));
            if (!text.isEmpty()) {
                texts.put(name, text);
            }
        }
        copyIfAbsent("bos", "cls");
        copyIfAbsent("eos", "sep");
        if (json != null) {
            JsonNode processor = json.part("post_processor");
            for (JsonNode each : processor.has("processors") ? processor.get("processors") : List.of(processor)) {
                read(each);
            }
        }
        KEYS.forEach((name, key) -> {
            Integer id = id(name);
            if (id != null && id >= 0 && id < size) {
                metadata.putInteger("tokenizer.ggml." + key + "_token_id", id);
            }
        });
        for (String name : List.of("bos", "eos", "sep")) {
            JsonNode flag = config.path("add_" + name + "_token");
            Boolean isAdded = flag.isBoolean() ? Boolean.valueOf(flag.booleanValue()) : added.get(name);
            if (isAdded != null) {
                metadata.putFlag("tokenizer.ggml.add_" + name + "_token", isAdded);
            }
        }
    }

    private void copyIfAbsent(String name, String other) {
        String text = texts.get(other);
        if (text != null) {
            texts.putIfAbsent(name, text);
        }
    }

    /** A token given as text, or as an object with content; empty if there is none. */
    private static String text(JsonNode token) {
        return (token.isObject() ? token.path("content") : token).asText("").replaceFirst("^null$", "");
    }

    private @Nullable Integer id(String name) {
        String text = texts.get(name);
        if (json != null && text != null) {
            for (AddedToken token : json.added()) {
                if (token.content().equals(text)) {
                    return token.id();
                }
            }
        }
        JsonNode id = model.path(name + "_token_id");
        JsonNode first = id.isArray() ? id.path(0) : id;
        return first.isInt() ? first.intValue() : null;
    }

    /** What a post-processor adds around a text. */
    private void read(JsonNode processor) {
        if (processor.path("type").asText().equals("RobertaProcessing")) {
            List.of("bos", "eos", "sep").forEach(name -> added.put(name, true));
        } else if (processor.path("type").asText().equals("TemplateProcessing")) {
            List<String> single = pieces(processor.path("single"));
            String first = single.size() > 1 ? single.get(0) : "";
            String last = single.size() > 1 ? single.get(single.size() - 1) : "";
            if (!first.isEmpty()) {
                added.put("bos", first.equals(texts.get("bos")) || first.equals(texts.get("cls")));
            }
            if (!last.isEmpty()) {
                readLast(last);
            }
            readPair(pieces(processor.path("pair")), first, last);
        }
    }

    /** If the last token is not EOS, it becomes EOS, and what was EOS ends a turn. */
    private void readLast(String last) {
        String eos = texts.get("eos");
        if (eos != null && !eos.equals(last)) {
            texts.put("eot", eos);
        }
        texts.put("eos", last);
        added.put("eos", true);
    }

    /** Whether a separator stands between two texts. */
    private void readPair(List<String> pair, String first, String last) {
        int begin = !pair.isEmpty() && !first.isEmpty() && pair.get(0).equals(first) ? 1 : 0;
        boolean endsAlike =
                !pair.isEmpty() && !last.isEmpty() && pair.get(pair.size() - 1).equals(last);
        int end = pair.size() - (endsAlike ? 1 : 0);
        if (end - begin < 3 || !pair.get(begin).isEmpty() || !pair.get(end - 1).isEmpty()) {
            return;
        }
        List<String> between = pair.subList(begin + 1, end - 1);
        boolean isFirstSeparator = isSeparator(between.get(0)) && last.isEmpty();
        added.put("sep", isFirstSeparator || between.size() == 2 && isSeparator(between.get(1)));
    }

    private boolean isSeparator(String token) {
        return token.equals(texts.get("sep")) || token.equals(texts.get("eos"));
    }

    /** The special tokens of a template; empty for a text. */
    private static List<String> pieces(JsonNode template) {
        List<String> pieces = new ArrayList<>();
        template.forEach(
                piece -> pieces.add(piece.path("SpecialToken").path("id").asText("")));
        return pieces;
    }
}
