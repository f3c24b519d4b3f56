package org.dpo4j.quickstart;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import org.dpo4j.io.OutputFile;

/** Writes the Hugging Face files of a WordLevel tokenizer, whose tokens are words separated by spaces. */
final class WordTokenizer {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final String UNKNOWN = "<unk>";
    private static final String END = "</s>";

    /** Id of EOS. */
    static final int END_ID = 1;

    private WordTokenizer() {}

    /** Vocabulary size of a tokenizer for these words. */
    static int size(List<String> words) {
        return words.size() + 2;
    }

    /**
     * Writes {@code tokenizer.json}, {@code tokenizer_config.json} and {@code special_tokens_map.json} into an existing
     * directory.
     */
    static void write(Path directory, List<String> words, int maxLength) {
        ObjectNode special = JSON.createObjectNode().put("eos_token", END).put("unk_token", UNKNOWN);
        ObjectNode config = special.deepCopy()
                .put("tokenizer_class", "PreTrainedTokenizerFast")
                .put("model_max_length", maxLength)
                .put("clean_up_tokenization_spaces", false);
        write(directory.resolve("tokenizer.json"), tokenizer(words));
        write(directory.resolve("tokenizer_config.json"), config);
        write(directory.resolve("special_tokens_map.json"), special);
    }

    private static ObjectNode tokenizer(List<String> words) {
        ObjectNode json = JSON.createObjectNode().put("version", "1.0");
        json.putNull("truncation").putNull("padding");
        addSpecial(json, List.of(UNKNOWN, END));
        json.putNull("normalizer");
        json.putObject("pre_tokenizer").put("type", "WhitespaceSplit");
        json.putNull("post_processor").putNull("decoder");
        ObjectNode model = json.putObject("model").put("type", "WordLevel").put("unk_token", UNKNOWN);
        ObjectNode ids = model.putObject("vocab").put(UNKNOWN, 0).put(END, END_ID);
        words.forEach(word -> ids.put(word, ids.size()));
        return json;
    }

    private static void addSpecial(ObjectNode json, List<String> tokens) {
        var added = json.putArray("added_tokens");
        for (int id = 0; id < tokens.size(); id++) {
            added.addObject()
                    .put("id", id)
                    .put("content", tokens.get(id))
                    .put("single_word", false)
                    .put("lstrip", false)
                    .put("rstrip", false)
                    .put("normalized", false)
                    .put("special", true);
        }
    }

    private static void write(Path file, ObjectNode json) {
        OutputFile.write(file, (json.toPrettyString() + "\n").getBytes(StandardCharsets.UTF_8));
    }
}
