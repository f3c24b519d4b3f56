package org.dpo4j.export.tokenizer;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.dpo4j.data.chat.ChatTemplate;
import org.dpo4j.io.JsonFile;
import org.dpo4j.io.gguf.GgufMetadata;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;

/**
 * The tokenizer of a model directory. A SentencePiece model file states scores, so it is read if there is one; otherwise
 * {@code tokenizer.json}.
 */
public final class TokenizerSource {
    private static final String DEFAULT_TEMPLATE = "default";

    /** The score of added tokens, as in llama.cpp's files. */
    private static final float ADDED = -1000;

    private final Path directory;
    private final @Nullable TokenizerJson json;
    private final @Nullable SentencePieceModel pieces;
    private final ObjectNode config;

    private TokenizerSource(
            Path directory, @Nullable TokenizerJson json, @Nullable SentencePieceModel pieces, ObjectNode config) {
        this.directory = directory;
        this.json = json;
        this.pieces = pieces;
        this.config = config;
    }

    /** Reads the files. Throws if the directory has no tokenizer. */
    public static TokenizerSource read(Path directory) {
        Path jsonFile = directory.resolve("tokenizer.json");
        Path piecesFile = directory.resolve("tokenizer.model");
        if (!Files.exists(jsonFile) && !Files.exists(piecesFile)) {
            throw new Dpo4jException(directory + " has neither tokenizer.json nor tokenizer.model, and a GGUF file"
                    + " contains its tokenizer; copy the tokenizer's files of the base model into it");
        }
        TokenizerJson json = Files.exists(jsonFile) ? TokenizerJson.read(jsonFile) : null;
        boolean isByteLevel = json != null && isByteLevel(json);
        return new TokenizerSource(
                directory,
                json,
                !isByteLevel && Files.exists(piecesFile) ? SentencePieceModel.read(piecesFile) : null,
                object(directory.resolve("tokenizer_config.json")));
    }

    private static boolean isByteLevel(TokenizerJson json) {
        String type = json.model("type").asText("");
        if (!type.equals("BPE")) {
            throw new Dpo4jException(json.file() + ": its model is a " + (type.isEmpty() ? "model without type" : type)
                    + "; GGUF is written for BPE only, convert this model with llama.cpp's convert_hf_to_gguf.py");
        }
        return !json.model("byte_fallback").asBoolean(false);
    }

    private static ObjectNode object(Path file) {
        return Files.exists(file) ? JsonFile.read(file) : JsonFile.object();
    }

    /**
     * Puts all keys of the tokenizer.
     *
     * @param size rows of the embedding; a file lists as many tokens
     * @param special {@code config.json}, which has ids of special tokens
     * @param isPrefixKnown whether the family's tokenizers never put a space before a text
     * @param notices receives lines about texts that llama.cpp reads otherwise
     */
    public void put(GgufMetadata metadata, int size, ObjectNode special, boolean isPrefixKnown, List<String> notices) {
        TokenList tokens = new TokenList(size);
        requireRoom(size);
        if (pieces != null) {
            putPieces(metadata, tokens, pieces, isPrefixKnown);
        } else if (json != null && isByteLevel(json)) {
            new ByteLevelTokens(json).put(metadata, tokens);
        } else if (json != null) {
            new SentencePieceTokens(json).put(metadata, tokens, notices);
        }
        new SpecialTokens(json, config, special).put(metadata, size);
        putTemplates(metadata);
    }

    private void requireRoom(int size) {
        int max = json == null ? 0 : json.maxId();
        max = Math.max(max, pieces == null ? 0 : pieces.pieces().size() - 1);
        if (max >= size) {
            throw new Dpo4jException(directory + ": its tokenizer has ids up to " + max
                    + ", but the model's vocabulary has " + size
                    + "; use the tokenizer that the model was trained with");
        }
    }

    private void putPieces(GgufMetadata metadata, TokenList tokens, SentencePieceModel model, boolean isPrefixKnown) {
        for (int id = 0; id < model.pieces().size(); id++) {
            SentencePieceModel.Piece piece = model.pieces().get(id);
            tokens.set(id, piece.text(), piece.type(), piece.score());
        }
        ObjectNode added = object(directory.resolve("added_tokens.json"));
        added.properties()
                .forEach(token -> setAdded(tokens, token.getValue().asInt(-1), token.getKey(), TokenType.USER_DEFINED));
        JsonNode decoder = config.path("added_tokens_decoder");
        decoder.properties().forEach(token -> {
            AddedToken each = new AddedToken(
                    id(token.getKey()),
                    token.getValue().path("content").asText(),
                    token.getValue().path("special").asBoolean(false));
            setAdded(tokens, each.id(), each.text(), each.type());
        });
        if (decoder.isMissingNode() && json != null) {
            json.added().forEach(token -> setAdded(tokens, token.id(), token.text(), token.type()));
        }
        metadata.putText("tokenizer.ggml.model", "llama");
        metadata.putText("tokenizer.ggml.pre", "default");
        tokens.put(metadata, true);
        JsonNode prefix = config.path("add_prefix_space");
        if (isPrefixKnown || prefix.isBoolean()) {
            metadata.putFlag("tokenizer.ggml.add_space_prefix", !isPrefixKnown && prefix.booleanValue());
        }
    }

    private static int id(String text) {
        return text.matches("\\d{1,9}") ? Integer.parseInt(text) : -1;
    }

    private void setAdded(TokenList tokens, int id, String text, TokenType type) {
        if (id < 0 || id >= tokens.size()) {
            throw new Dpo4jException(directory + ": added token \"" + text + "\" has the id " + id
                    + ", but the model's vocabulary has " + tokens.size()
                    + "; use the tokenizer that the model was trained with");
        }
        tokens.set(id, text, type, ADDED);
    }

    private void putTemplates(GgufMetadata metadata) {
        Map<String, String> templates = ChatTemplate.sources(directory);
        List<String> names = templates.keySet().stream()
                .filter(name -> !name.equals(DEFAULT_TEMPLATE))
                .map(name -> name.replaceAll("[^A-Za-z0-9]", "_"))
                .toList();
        if (!names.isEmpty()) {
            metadata.putTexts("tokenizer.chat_templates", names);
        }
        templates.forEach((name, text) -> metadata.putText(
                name.equals(DEFAULT_TEMPLATE)
                        ? "tokenizer.chat_template"
                        : "tokenizer.chat_template." + name.replaceAll("[^A-Za-z0-9]", "_"),
                text));
    }
}
