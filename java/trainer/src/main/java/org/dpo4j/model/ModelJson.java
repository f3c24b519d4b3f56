package org.dpo4j.model;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.dpo4j.io.JsonFile;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.model.family.ConfigJson;
import org.dpo4j.model.family.Families;
import org.dpo4j.model.family.ModelConfig;
import org.jspecify.annotations.Nullable;

/**
 * The JSON files of a Hugging Face directory.
 *
 * @param config {@code config.json}, with the EOS tokens of {@code generation_config.json} as transformers reads them
 * @param content {@code config.json} with all its keys
 * @param generation content of {@code generation_config.json}; null if there is none
 */
record ModelJson(ModelConfig config, ObjectNode content, byte @Nullable [] generation) {
    static final String CONFIG = "config.json";
    static final String GENERATION_CONFIG = "generation_config.json";

    /** Reads both files. Errors name the file. */
    static ModelJson read(Path directory) {
        ModelDirectory.check(directory);
        Path configFile = directory.resolve(CONFIG);
        ObjectNode content = JsonFile.read(configFile);
        ModelConfig config = Families.read(content, configFile.toString());
        Path generationFile = directory.resolve(GENERATION_CONFIG);
        if (!Files.exists(generationFile)) {
            return new ModelJson(config, content, null);
        }
        byte[] generation = JsonFile.bytes(generationFile);
        ObjectNode json = JsonFile.read(generationFile, generation);
        List<Integer> eos = eosTokenIds(json, generationFile, config);
        return new ModelJson(config.withTokens(config.bosTokenId(), eos), content, generation);
    }

    /** {@code config.json} alone. */
    static ModelConfig config(Path directory) {
        ModelDirectory.check(directory);
        return Families.read(directory.resolve(CONFIG));
    }

    private static List<Integer> eosTokenIds(ObjectNode json, Path file, ModelConfig config) {
        try {
            return new ConfigJson(json).eosTokenIds(config.eosTokenIds());
        } catch (Dpo4jException e) {
            throw new Dpo4jException(file + ": " + e.getMessage(), e);
        }
    }
}
