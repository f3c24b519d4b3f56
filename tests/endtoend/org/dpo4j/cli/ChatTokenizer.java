package org.dpo4j.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Path;
import java.util.List;
import org.dpo4j.model.TestFiles;

/** A tokenizer of single characters, of special tokens and of whole words. Its ids are those of a list, in this order. */
final class ChatTokenizer {
    private ChatTokenizer() {}

    /**
     * Writes the files of the tokenizer into a model directory. It adds BOS to texts.
     *
     * @param special BOS is the second, EOS the third
     * @param words texts that are one token each
     * @param characters each is a token
     */
    static void write(Path directory, List<String> special, List<String> words, String characters) {
        ObjectNode json = TestFiles.json("""
            {"version": "1.0", "normalizer": null, "pre_tokenizer": null, "decoder": {"type": "Fuse"}, "added_tokens": [],
             "post_processor": {"type": "TemplateProcessing",
               "single": [{"SpecialToken": {"id": "BOS", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
               "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
               "special_tokens": {"BOS": {"id": "BOS", "ids": [1], "tokens": ["BOS"]}}},
             "model": {"type": "BPE", "vocab": {}, "merges": []}}
            """.replace("BOS", special.get(1))).deepCopy();
        ObjectNode vocabulary = (ObjectNode) json.at("/model/vocab");
        ArrayNode added = (ArrayNode) json.get("added_tokens");
        special.forEach(token -> add(added, vocabulary, token, true));
        words.forEach(token -> add(added, vocabulary, token, false));
        characters
                .codePoints()
                .mapToObj(Character::toString)
                .forEach(character -> vocabulary.put(character, vocabulary.size()));
        TestFiles.write(directory.resolve("tokenizer.json"), json.toString());
        TestFiles.write(
                directory.resolve("tokenizer_config.json"),
                "{\"bos_token\": \"%s\", \"eos_token\": \"%s\"}".formatted(special.get(1), special.get(2)));
    }

    private static void add(ArrayNode added, ObjectNode vocabulary, String token, boolean isSpecial) {
        int id = vocabulary.size();
        vocabulary.put(token, id);
        added.addObject()
                .put("id", id)
                .put("content", token)
                .put("single_word", false)
                .put("lstrip", false)
                .put("rstrip", false)
                .put("normalized", false)
                .put("special", isSpecial);
    }
}
