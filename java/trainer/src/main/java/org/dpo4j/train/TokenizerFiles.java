package org.dpo4j.train;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.dpo4j.io.FileErrors;
import org.dpo4j.kernels.Dpo4jException;

/**
 * The files of a tokenizer or processor in a Hugging Face directory: those that transformers' save_pretrained may write.
 * They are copied byte for byte.
 */
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
            "sentencepiece.model",
            "spm.model",
            "tiktoken.model",
            "tekken.json",
            "vocab.json",
            "vocab.txt",
            "merges.txt",
            "preprocessor_config.json",
            "processor_config.json",
            "chat_template.jinja",
            "chat_template.json");

    /** Directory of further chat templates, besides the default one; the name is that of transformers. */
    private static final String TEMPLATES = "additional_chat_templates";

    private TokenizerFiles() {}

    /** Whether a name, relative to a model directory, is that of such a file. */
    static boolean isOne(String name) {
        return FILES.contains(name) || name.matches(TEMPLATES + "/[^/]+\\.jinja");
    }

    /** The files that exist, as paths relative to the directory. A link without a target exists. */
    static List<Path> find(Path directory) {
        return Stream.concat(FILES.stream().map(Path::of), templates(directory))
                .filter(file -> Files.exists(directory.resolve(file), LinkOption.NOFOLLOW_LINKS))
                .toList();
    }

    /** Copies the files that exist, without forcing them to the disk. Throws if {@code to} already has one of them. */
    static void copy(Path from, Path to) throws IOException {
        for (Path file : find(from)) {
            Path copy = to.resolve(file);
            Files.createDirectories(copy.getParent());
            Files.copy(from.resolve(file), copy); // the target of a link
        }
    }

    private static Stream<Path> templates(Path directory) {
        Path templates = directory.resolve(TEMPLATES);
        if (!Files.isDirectory(templates)) {
            return Stream.empty();
        }
        try (Stream<Path> files = Files.list(templates)) {
            return files.filter(Files::isRegularFile).map(directory::relativize).toList().stream();
        } catch (IOException e) {
            throw new Dpo4jException(
                    templates + " cannot be read (" + FileErrors.reason(e) + "); make it readable, or remove it", e);
        }
    }
}
