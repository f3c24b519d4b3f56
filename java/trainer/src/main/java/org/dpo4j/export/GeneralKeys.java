package org.dpo4j.export;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.math.BigDecimal;
import java.math.RoundingMode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.dpo4j.io.JsonFile;
import org.dpo4j.io.gguf.GgufMetadata;
import org.dpo4j.io.gguf.GgufTensor;
import org.dpo4j.io.gguf.GgufType;

/** Writes the keys that begin with {@code general}: what the model is called, how large it is, where it comes from. */
record GeneralKeys(Path directory, GgufMetadata metadata) {
    private static final int QUANTIZATION_VERSION = 2;
    private static final Pattern CACHED = Pattern.compile(".*/models--.+--(.+)/snapshots/[^/]+");

    /** Puts the keys before those of the architecture. */
    void putBegin(Target target, List<GgufTensor> tensors) {
        metadata.putText("general.architecture", target.architecture());
        putSampling();
        metadata.putText("general.type", "model");
        CardMetadata card = CardMetadata.read(directory);
        metadata.putText("general.name", card.text("model_name", ModelTitle.find(name(directory))));
        metadata.putText(
                "general.size_label",
                sizeLabel(tensors.stream().mapToLong(GgufTensor::count).sum()));
        card.put(metadata);
    }

    /** Puts the keys after them. */
    void putEnd(GgufType type) {
        metadata.putInteger("general.file_type", fileType(type));
        metadata.putInteger("general.quantization_version", QUANTIZATION_VERSION);
    }

    /** llama.cpp's number of a file whose matrices have this type. */
    private static int fileType(GgufType type) {
        return switch (type) {
            case F32 -> 0;
            case F16 -> 1;
            case Q8_0 -> 7;
            case BF16 -> 32;
        };
    }

    /** The defaults of generation, of which llama.cpp has an equal. */
    private void putSampling() {
        Path file = directory.resolve("generation_config.json");
        ObjectNode generation = Files.exists(file) ? JsonFile.read(file) : JsonFile.object();
        JsonNode topK = generation.path("top_k");
        if (topK.isInt()) {
            metadata.putSigned("general.sampling.top_k", topK.intValue());
        }
        putSampling(generation, "top_p", "top_p");
        putSampling(generation, "min_p", "min_p");
        putSampling(generation, "temperature", "temp");
    }

    private void putSampling(ObjectNode generation, String name, String key) {
        if (generation.path(name).isNumber()) {
            metadata.putNumber("general.sampling." + key, generation.path(name).doubleValue());
        }
    }

    /** The name of the directory; of a snapshot in the hub's cache, that of the model. */
    private static String name(Path directory) {
        Path absolute = directory.toAbsolutePath().normalize();
        Matcher cached = CACHED.matcher(absolute.toString());
        Path name = absolute.getFileName();
        return cached.matches() ? cached.group(1) : name == null ? "model" : name.toString();
    }

    /** A number of parameters with two digits or more, such as 1.2B. */
    static String sizeLabel(long parameters) {
        double scale = parameters > 1e12 ? 1e-12 : parameters > 1e9 ? 1e-9 : parameters > 1e6 ? 1e-6 : 1e-3;
        String unit = parameters > 1e12 ? "T" : parameters > 1e9 ? "B" : parameters > 1e6 ? "M" : "K";
        BigDecimal scaled = new BigDecimal(parameters * scale);
        long whole = scaled.setScale(0, RoundingMode.HALF_EVEN).longValue();
        int digits = whole == 0 ? 0 : Long.toString(whole).length();
        return scaled.setScale(Math.max(2 - digits, 0), RoundingMode.HALF_EVEN).toPlainString() + unit;
    }
}
