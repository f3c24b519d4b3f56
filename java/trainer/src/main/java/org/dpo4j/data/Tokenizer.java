package org.dpo4j.data;

import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;

/**
 * Converts text to token ids and back with the {@code tokenizer.json} of a model directory. Reads only local files.
 * Several threads may use it at once.
 */
public final class Tokenizer implements AutoCloseable {
    private static final String FILE = "tokenizer.json";

    private final HuggingFaceTokenizer tokenizer;
    private final SpecialTokens special;
    private final TextEnds ends;
    private final int size;
    private final Path directory;
    private final @Nullable TextPieces pieces;

    private Tokenizer(Path directory, TokenizerFile file, SpecialTokens special) {
        this.directory = directory;
        this.tokenizer = TokenizerLibrary.open(file.json());
        this.special = special;
        this.ends = file.ends();
        this.size = file.size();
        this.pieces = file.hasPieces() ? new TextPieces(text -> TokenizerLibrary.encode(tokenizer, text)) : null;
    }

    /**
     * Loads the tokenizer of a model directory. Throws if there is none, or if it has ids beyond the model's {@code
     * vocabularySize}.
     */
    public static Tokenizer load(Path modelDirectory, int vocabularySize) {
        Path file = modelDirectory.resolve(FILE);
        if (!Files.exists(file)) {
            throw new Dpo4jException(
                    file + " does not exist; " + remedy(modelDirectory) + ", or give token ids instead of text");
        }
        TokenizerFile tables = TokenizerFile.read(file);
        if (tables.size() > vocabularySize) {
            throw new Dpo4jException(file + " has token ids up to " + (tables.size() - 1) + ", " + tables.size()
                    + " in all, but the model's vocabulary has " + vocabularySize
                    + "; use the tokenizer the model was trained with, or give the model a row for each token"
                    + " (resize_token_embeddings in transformers)");
        }
        if (tables.ends().size() > vocabularySize) {
            throw new Dpo4jException(file + ": post_processor adds token id "
                    + (tables.ends().size() - 1) + ", but the model's vocabulary has " + vocabularySize
                    + "; use the tokenizer the model was trained with");
        }
        SpecialTokens special = SpecialTokens.read(modelDirectory, tables, vocabularySize);
        String problem = TokenizerLibrary.probe().problem();
        if (problem != null) {
            throw new Dpo4jException(problem);
        }
        try {
            return new Tokenizer(modelDirectory, tables, special);
        } catch (RuntimeException e) {
            throw new Dpo4jException(
                    file + " is not a tokenizer that the tokenizers library "
                            + TokenizerLibrary.probe().version() + " can load: " + TokenizerLibrary.reason(e)
                            + "; download it again, or save it with that version of the library",
                    e);
        }
    }

    /** What to do about a missing {@code tokenizer.json}: transformers writes it from older kinds of files. */
    public static String remedy(Path modelDirectory) {
        boolean isModel = Files.exists(modelDirectory.resolve("tokenizer.model"));
        if (!isModel && !Files.exists(modelDirectory.resolve("merges.txt"))) {
            return "add it";
        }
        return "make it from " + (isModel ? "tokenizer.model" : "vocab.json and merges.txt")
                + " with AutoTokenizer.from_pretrained and save_pretrained of transformers"
                + (isModel ? " and the package sentencepiece" : "");
    }

    /** As {@link #load}, but null if the directory has no {@code tokenizer.json}. Rows of ids need none. */
    public static @Nullable Tokenizer find(Path modelDirectory, int vocabularySize) {
        return isIn(modelDirectory) ? load(modelDirectory, vocabularySize) : null;
    }

    /** Begins to load the native library on another thread, for a later {@link #find} of the same directory. */
    public static void prepare(Path modelDirectory) {
        if (isIn(modelDirectory)) {
            Thread thread = new Thread(TokenizerLibrary::probe, "dpo4j-tokenizers");
            thread.setDaemon(true);
            thread.start();
        }
    }

    /** Whether a model directory has a {@code tokenizer.json}. */
    public static boolean isIn(Path modelDirectory) {
        return Files.exists(modelDirectory.resolve(FILE));
    }

    /**
     * The first difference between the tokens of two model directories, as {@code "id 5 is "a", not "b""}; null if each id
     * is the same token in both, or if one of them has no {@code tokenizer.json}.
     */
    public static @Nullable String difference(Path modelDirectory, Path other) {
        if (!isIn(modelDirectory) || !isIn(other)) {
            return null;
        }
        Map<Integer, String> own =
                TokenizerFile.read(modelDirectory.resolve(FILE)).tokens();
        Map<Integer, String> others = TokenizerFile.read(other.resolve(FILE)).tokens();
        Set<Integer> ids = new TreeSet<>(own.keySet());
        ids.addAll(others.keySet());
        for (int id : ids) {
            String mine = own.get(id);
            String found = others.get(id);
            if (!Objects.equals(mine, found)) {
                return "id " + id + " is " + quoted(found) + ", not " + quoted(mine);
            }
        }
        return null;
    }

    private static String quoted(@Nullable String token) {
        return token == null ? "no token" : "\"" + token + "\"";
    }

    /**
     * Token ids of the text, without BOS and EOS. Throws if the vocabulary has no token for a part of the text, and no
     * token for unknown parts.
     */
    public int[] encode(String text) {
        try {
            return pieces == null ? TokenizerLibrary.encode(tokenizer, text) : pieces.encode(text);
        } catch (RuntimeException e) {
            throw new Dpo4jException(
                    "the tokenizer has no token for a part of the text, and none for unknown parts (" + e.getMessage()
                            + "); leave such texts out, or use a tokenizer that knows all of their characters",
                    e);
        }
    }

    /**
     * Token ids of a text at the start of a sequence: the ids that the post-processor adds before it, then the text.
     * They are not added again if the text already begins with them. Ids that the post-processor adds after a text are
     * left out, because the sequence may continue.
     */
    public int[] encodeStart(String text) {
        int[] beginning = ends.beginning();
        int[] ids = encode(text);
        int mismatch = Arrays.mismatch(beginning, ids);
        if (mismatch < 0 || mismatch == beginning.length) {
            return ids; // nothing to add, or the text begins with it
        }
        int[] begun = Arrays.copyOf(beginning, beginning.length + ids.length);
        System.arraycopy(ids, 0, begun, beginning.length, ids.length);
        return begun;
    }

    /**
     * For each id of {@link #encode}, whether it comes from a character in one of the parts of the text.
     *
     * @param begins index of the first char of each part
     * @param ends index behind the last char of each part
     */
    public boolean[] isIn(String text, int[] begins, int[] ends) {
        int[] spans = TokenizerLibrary.spans(tokenizer, text);
        boolean[] isIn = new boolean[spans.length / 2];
        for (int part = 0; part < begins.length; part++) {
            int begin = text.codePointCount(0, begins[part]);
            int end = text.codePointCount(0, ends[part]);
            for (int token = 0; token < isIn.length; token++) {
                isIn[token] |= spans[2 * token] < end && spans[2 * token + 1] > begin;
            }
        }
        return isIn;
    }

    /** The text of token ids, without special tokens. */
    public String decode(int[] ids) {
        return tokenizer.decode(Arrays.stream(ids).asLongStream().toArray(), true);
    }

    /** Maximum token id + 1. */
    public int size() {
        return size;
    }

    /** The ids that the post-processor adds around a text. */
    TextEnds ends() {
        return ends;
    }

    /** BOS, or null if there is none. */
    public @Nullable Integer bosTokenId() {
        return special.bos();
    }

    /** EOS, which ends a completion, or null if there is none. */
    public @Nullable Integer eosTokenId() {
        return special.eos();
    }

    /** Hash of the files that say how text becomes token ids: all JSON files and chat templates of the directory. */
    @Override
    public String toString() {
        return "tokenizer " + DatasetKey.hash(List.of(directory, directory.resolve("additional_chat_templates")));
    }

    @Override
    public void close() {
        tokenizer.close();
    }
}
