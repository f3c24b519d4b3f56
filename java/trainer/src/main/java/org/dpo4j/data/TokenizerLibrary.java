package org.dpo4j.data;

import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import ai.djl.huggingface.tokenizers.jni.CharSpan;
import ai.djl.huggingface.tokenizers.jni.LibUtils;
import ai.djl.huggingface.tokenizers.jni.TokenizersLibrary;
import ai.djl.util.Platform;
import ai.djl.util.Utils;
import ai.djl.util.cuda.CudaUtils;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.reflect.Field;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The native tokenizers library. DJL, its Java binding, unpacks it from a jar into a directory and loads it from there.
 *
 * @param version version of the library and of its binding
 * @param directory directory that it is unpacked to
 * @param reason why it cannot be loaded; null if it is loaded
 */
public record TokenizerLibrary(
        String version, Path directory, @Nullable String reason) {

    static {
        // By default DJL downloads a CUDA build of the library on some machines, and reports usage to its authors.
        System.setProperty("RUST_FLAVOR", "cpu");
        System.setProperty("ai.djl.offline", "true");
        System.setProperty("OPT_OUT_TRACKING", "true");
    }

    /**
     * A system property of DJL. If it is true, DJL starts another process to look for GPUs, and does not load CUDA in this one.
     * Commands set it, because they use only the tokenizers of DJL.
     */
    public static final String ASKS_PROCESS_FOR_GPUS = "ai.djl.util.cuda.fork";

    /** Without these options DJL cuts texts to 512 tokens. */
    private static final Map<String, String> WHOLE_TEXTS = Map.of("truncation", "false", "padding", "false");

    /** Types of the library in its error messages, and the part of the file that each one is parsed from. */
    private static final String[][] PARTS = {
        {"enum Model", "its model"},
        {"enum MergeType", "the list of merges"},
        {"enum Normalizer", "its normalizer"},
        {"enum PreTokenizer", "its pre_tokenizer"},
        {"enum PostProcessor", "its post_processor"},
        {"enum Decoder", "its decoder"}
    };

    /** Loads once: the error of a second attempt would only say that the first failed. */
    private static final class Loaded {
        static final TokenizerLibrary LIBRARY = load();
    }

    /** Loads the library if that has not been tried, and returns the result. Never throws. */
    public static TokenizerLibrary probe() {
        return Loaded.LIBRARY;
    }

    private static TokenizerLibrary load() {
        Path directory = Utils.getEngineCacheDir("tokenizers").toAbsolutePath();
        String version = "of unknown version";
        boolean isAnswered = Boolean.getBoolean(ASKS_PROCESS_FOR_GPUS) && answerGpus(new String[] {"0"});
        try {
            version = Platform.detectPlatform("tokenizers").getVersion();
            LibUtils.checkStatus();
            return new TokenizerLibrary(version, directory, null);
        } catch (RuntimeException | LinkageError e) {
            String unwritable = tryToWrite(directory);
            return new TokenizerLibrary(version, directory, unwritable == null ? innermost(e) : unwritable);
        } finally {
            if (isAnswered) {
                answerGpus(null);
            }
        }
    }

    /**
     * Sets the private field in which DJL keeps its list of GPUs. DJL uses the list to choose a build of the library, but
     * RUST_FLAVOR has chosen one already. If the field is empty, DJL looks for GPUs: it starts another process, or loads JNA and
     * the CUDA runtime. Either takes longer than loading the library. Returns whether this version of DJL has the field.
     */
    private static boolean answerGpus(String @Nullable [] answer) {
        try {
            Field field = CudaUtils.class.getDeclaredField("gpuInfo");
            field.setAccessible(true);
            field.set(null, answer);
            return true;
        } catch (ReflectiveOperationException | RuntimeException e) {
            return false;
        }
    }

    /** The error if the directory is not writable, which DJL does not report; else null. */
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

    /** Why the library cannot be loaded and which variable to set; null if it is loaded. */
    public @Nullable String problem() {
        return reason == null
                ? null
                : "the tokenizer library cannot be unpacked to " + directory + " and loaded from there (" + reason
                        + "); set the environment variable " + variable()
                        + " to a directory that this user can write to and run programs from";
    }

    /** The environment variable that sets the directory. DJL reads ENGINE_CACHE_DIR first, then DJL_CACHE_DIR. */
    private static String variable() {
        String engines = Utils.getEnvOrSystemProperty("ENGINE_CACHE_DIR");
        return engines == null || engines.isEmpty() ? "DJL_CACHE_DIR" : "ENGINE_CACHE_DIR";
    }

    /** Why the library refuses a file: without line and column, and with our name of the part instead of its type. */
    static String reason(RuntimeException refusal) {
        String message = String.valueOf(refusal.getMessage()).replaceFirst(" at line [0-9]+ column [0-9]+$", "");
        for (String[] part : PARTS) {
            if (message.contains("untagged enum") && message.contains(part[0])) {
                return part[1] + " has an unknown type or unknown fields";
            }
        }
        return message;
    }

    /** A tokenizer from the text of a {@code tokenizer.json}. Throws DJL's exceptions. */
    static HuggingFaceTokenizer open(String json) {
        try {
            return HuggingFaceTokenizer.newInstance(
                    new ByteArrayInputStream(json.getBytes(StandardCharsets.UTF_8)), WHOLE_TEXTS);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /**
     * Token ids of a text, without special tokens. DJL's {@code HuggingFaceTokenizer.encode} also copies the text and
     * the place of every token to Java, which takes longer than the tokenizer itself. Throws DJL's exceptions.
     */
    static int[] encode(HuggingFaceTokenizer tokenizer, String text) {
        long encoding = TokenizersLibrary.LIB.encode(tokenizer.getHandle(), text, false);
        try {
            return Arrays.stream(TokenizersLibrary.LIB.getTokenIds(encoding))
                    .mapToInt(Math::toIntExact)
                    .toArray();
        } finally {
            TokenizersLibrary.LIB.deleteEncoding(encoding);
        }
    }

    /**
     * For each token id of {@link #encode}, the Unicode characters of the text from which it comes: {@code begin, end}, twice
     * as many numbers as ids. A token that comes from no character has two equal numbers. Throws DJL's exceptions.
     */
    static int[] spans(HuggingFaceTokenizer tokenizer, String text) {
        long encoding = TokenizersLibrary.LIB.encode(tokenizer.getHandle(), text, false);
        try {
            CharSpan[] spans = TokenizersLibrary.LIB.getTokenCharSpans(encoding);
            int[] ends = new int[2 * spans.length];
            for (int i = 0; i < spans.length; i++) {
                if (spans[i] != null) {
                    ends[2 * i] = spans[i].getStart();
                    ends[2 * i + 1] = spans[i].getEnd();
                }
            }
            return ends;
        } finally {
            TokenizersLibrary.LIB.deleteEncoding(encoding);
        }
    }
}
