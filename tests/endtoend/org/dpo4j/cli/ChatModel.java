package org.dpo4j.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Devices;
import org.dpo4j.model.Model;
import org.dpo4j.model.TestFiles;
import org.dpo4j.model.family.Llama;

/** A very small Llama with random weights, a tokenizer with a token for each byte, and a chat template. */
final class ChatModel {
    private static final List<String> SPECIAL = List.of("<|end|>", "<|user|>", "<|assistant|>", "<|system|>");
    private static final String TEMPLATE =
            "{% for message in messages %}<|{{ message.role }}|>{{ message.content }}<|end|>"
                    + "{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}";

    private ChatModel() {}

    /** Writes the files of the model into a directory. */
    static Path write(Path directory) throws IOException {
        try (Device device = Devices.cpu(1);
                Model model = Model.create(
                        Llama.config(256 + SPECIAL.size(), 16, 24, 2, 2, 1, 512, true), device, DType.F32, 3)) {
            model.save(directory, DType.F32);
        }
        TestFiles.write(directory.resolve("tokenizer.json"), tokenizer().toString());
        ObjectNode config = TestFiles.json("{\"eos_token\": \"<|end|>\"}").deepCopy();
        TestFiles.write(
                directory.resolve("tokenizer_config.json"),
                config.put("chat_template", TEMPLATE).toString());
        return directory;
    }

    private static JsonNode tokenizer() {
        ObjectNode json = TestFiles.json("""
            {"version": "1.0", "truncation": null, "padding": null, "normalizer": null, "post_processor": null,
             "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false},
             "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
             "added_tokens": [],
             "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
               "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
               "vocab": {}, "merges": []}}
            """).deepCopy();
        ObjectNode vocabulary = (ObjectNode) json.at("/model/vocab");
        int shifted = 0;
        for (int value = 0; value < 256; value++) {
            vocabulary.put(String.valueOf((char) (isPrinted(value) ? value : 256 + shifted)), value);
            shifted += isPrinted(value) ? 0 : 1;
        }
        ArrayNode added = (ArrayNode) json.get("added_tokens");
        for (int i = 0; i < SPECIAL.size(); i++) {
            added.addObject()
                    .put("id", 256 + i)
                    .put("content", SPECIAL.get(i))
                    .put("single_word", false)
                    .put("lstrip", false)
                    .put("rstrip", false)
                    .put("normalized", false)
                    .put("special", true);
        }
        return json;
    }

    /** Whether GPT-2's byte-level alphabet writes a byte as the character of the same number. */
    private static boolean isPrinted(int value) {
        return value >= '!' && value <= '~' || value >= 0xa1 && value <= 0xac || value >= 0xae;
    }
}
