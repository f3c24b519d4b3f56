package org.dpo4j.data;

import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import ai.djl.huggingface.tokenizers.jni.LibUtils;
import ai.djl.util.Platform;
import ai.djl.util.Utils;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The native library of the tokenizers. The binding unpacks it from its jar into a directory, once, and loads it from
 * there.
 *
 * @param version of the library and of its binding
 * @param directory where it is unpacked
 * @param reason why it cannot be loaded; null where it is loaded
 */
public record TokenizerLibrary(
        String version, Path directory, @Nullable String reason) {

    static {
        // The binding would fetch a CUDA build of the library on some machines, and report its use to its makers.
        System.setProperty("RUST_FLAVOR", "cpu");
        System.setProperty("ai.djl.offline", "true");
        System.setProperty("OPT_OUT_TRACKING", "true");
    }

    /** Without these the binding cuts texts to 512 tokens. */
    private static final Map<String, String> WHOLE_TEXTS = Map.of("truncation", "false", "padding", "false");

    /** How the names of the library's types begin, and the part of a file that is read as one. */
    private static final String[][] PARTS = {
        {"enum Model", "its model"},
        {"enum MergeType", "the list of merges"},
        {"enum Normalizer", "its normalizer"},
        {"enum PreTokenizer", "its pre_tokenizer"},
        {"enum PostProcessor", "its post_processor"},
        {"enum Decoder", "its decoder"}
    };

    /** A second try to load would only say that the first one failed. */
    private static final class Loaded {
        static final TokenizerLibrary LIBRARY = load();
    }

    /** Loads the library where that has not been done, and says what became of it. Throws nothing. */
    public static TokenizerLibrary probe() {
        return Loaded.LIBRARY;
    }

    private static TokenizerLibrary load() {
        Path directory = Utils.getEngineCacheDir("tokenizers").toAbsolutePath();
        String version = "of unknown version";
        try {
            version = Platform.detectPlatform("tokenizers").getVersion();
            LibUtils.checkStatus();
            return new TokenizerLibrary(version, directory, null);
        } catch (RuntimeException | LinkageError e) {
            String unwritable = tryToWrite(directory);
            return new TokenizerLibrary(version, directory, unwritable == null ? innermost(e) : unwritable);
        }
    }

    /** The binding does not say that it could not write. */
    private static @Nullable String tryToWrite(Path directory) {
        try {
            Files.delete(Files.createTempFile(Files.createDirectories(directory), "dpo4j", null));
            return null;
        } catch (IOException e) {
            return e.toString();
        }
    }

    private static String innermost(Throwable failure) {
        Throwable cause = failure;
        while (cause.getCause() != null) {
            cause = cause.getCause();
        }
        return String.valueOf(cause.getMessage());
    }

    /** What is wrong and what to set; null where it is loaded. */
    public @Nullable String problem() {
        return reason == null
                ? null
                : "the tokenizer library cannot be unpacked to " + directory + " and loaded from there (" + reason
                        + "); set the environment variable " + variable()
                        + " to a directory that this user can write to and run programs from";
    }

    /** The binding asks for both; the second gives a directory that holds more than this library. */
    private static String variable() {
        String engines = Utils.getEnvOrSystemProperty("ENGINE_CACHE_DIR");
        return engines == null || engines.isEmpty() ? "DJL_CACHE_DIR" : "ENGINE_CACHE_DIR";
    }

    /** Why the library refuses a file: a part of the file where it names but its own types, and without places. */
    static String reason(RuntimeException refusal) {
        String message = String.valueOf(refusal.getMessage()).replaceFirst(" at line [0-9]+ column [0-9]+$", "");
        for (String[] part : PARTS) {
            if (message.contains("untagged enum") && message.contains(part[0])) {
                return part[1] + " has a type or fields that it does not know";
            }
        }
        return message;
    }

    /** A tokenizer of the text of a {@code tokenizer.json}. Throws what the binding throws. */
    static HuggingFaceTokenizer open(String json) {
        try {
            return HuggingFaceTokenizer.newInstance(
                    new ByteArrayInputStream(json.getBytes(StandardCharsets.UTF_8)), WHOLE_TEXTS);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
