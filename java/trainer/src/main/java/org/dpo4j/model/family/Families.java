package org.dpo4j.model.family;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Collectors;
import org.dpo4j.io.JsonFile;
import org.dpo4j.kernels.Dpo4jException;

/** All supported model families. */
public final class Families {
    private static final List<Family> ALL = List.of(new Llama());

    private Families() {}

    /** Reads a {@code config.json}. Errors name file and key. */
    public static ModelConfig read(Path file) {
        return read(JsonFile.read(file), file.toString());
    }

    /** As {@link #read(Path)}, from parsed JSON. {@code where} names the file in errors. */
    public static ModelConfig read(ObjectNode json, String where) {
        try {
            ConfigJson config = new ConfigJson(json);
            return named(config.text("model_type", Llama.MODEL_TYPE)).read(config);
        } catch (Dpo4jException e) {
            throw new Dpo4jException(where + ": " + e.getMessage(), e);
        }
    }

    /** The family with that {@code model_type}. Throws if it is not supported. */
    public static Family named(String modelType) {
        return ALL.stream()
                .filter(family -> family.modelType().equals(modelType))
                .findFirst()
                .orElseThrow(() -> new Dpo4jException("model_type is \"" + modelType + "\"; only "
                        + ALL.stream()
                                .map(family -> "\"" + family.modelType() + "\"")
                                .collect(Collectors.joining(", "))
                        + " is supported"));
    }
}
