package org.dpo4j.model;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Collectors;
import org.dpo4j.io.JsonFile;
import org.dpo4j.model.family.ModelConfig;
import org.jspecify.annotations.Nullable;

/** The EOS ids in the files of a model. */
public final class EosTokens {
    private EosTokens() {}

    /**
     * A warning that lists the EOS ids outside the vocabulary: generation cannot end at them. Null if there are none. It is not an
     * error, because some published files have -1 for no EOS token, and transformers only warns too.
     */
    public static @Nullable String outsideVocabulary(Path directory, ModelConfig config) {
        int vocabulary = config.architecture().vocabSize();
        String outside = config.eosTokenIds().stream()
                .filter(id -> id < 0 || id >= vocabulary)
                .map(Object::toString)
                .collect(Collectors.joining(", "));
        return outside.isEmpty()
                ? null
                : file(directory) + ": eos_token_id has " + outside + ", but the model's tokens are 0 to "
                        + (vocabulary - 1)
                        + ", so no text ends there; mend the file, or give stop_token_ids to generate"
                        + " or chat";
    }

    /** generation_config.json, if it has the key. */
    private static Path file(Path directory) {
        Path base = Model.baseDirectory(directory);
        Path generation = base.resolve(ModelJson.GENERATION_CONFIG);
        return Files.exists(generation) && JsonFile.read(generation).has("eos_token_id")
                ? generation
                : base.resolve(ModelJson.CONFIG);
    }
}
