package org.dpo4j.train;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/** What a tokenizer may consist of in a Hugging Face directory: all that transformers' save_pretrained writes of it. */
final class TokenizerFiles {
    private static final List<String> FILES = List.of(
            "tokenizer.json",
            "tokenizer_config.json",
            "special_tokens_map.json",
            "added_tokens.json",
            "tokenizer.model",
            "tokenizer.model.v3",
            "sentencepiece.bpe.model",
            "spiece.model",
            "tiktoken.model",
            "tekken.json",
            "vocab.json",
            "vocab.txt",
            "merges.txt",
            "chat_template.jinja",
            "chat_template.json");

    /** Templates beside the one that is taken unless another is named; transformers reads them by this name. */
    private static final String TEMPLATES = "additional_chat_templates";

    private TokenizerFiles() {}

    /** Copies those that are there into a directory that has none of them. */
    static void copy(Path from, Path to) throws IOException {
        for (String name : FILES) {
            if (Files.exists(from.resolve(name))) {
                Files.copy(from.resolve(name), to.resolve(name));
            }
        }
        if (Files.isDirectory(from.resolve(TEMPLATES))) {
            Files.createDirectory(to.resolve(TEMPLATES));
            for (Path template : list(from.resolve(TEMPLATES))) {
                if (Files.isRegularFile(template)) {
                    Files.copy(template, to.resolve(TEMPLATES).resolve(template.getFileName()));
                }
            }
        }
    }

    private static List<Path> list(Path directory) throws IOException {
        try (Stream<Path> files = Files.list(directory)) {
            return files.toList();
        }
    }
}
