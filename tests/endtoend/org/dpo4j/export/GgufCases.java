package org.dpo4j.export;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Base64;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import java.util.zip.CRC32;
import org.dpo4j.io.SafeTensors;
import org.dpo4j.model.TensorPlans;
import org.dpo4j.model.TestFiles;

/** The models of {@code golden/gguf_files.json}. Their weights follow from names, as {@code weights} of gguf_files.py says. */
public final class GgufCases {
    private static final JsonNode GOLDEN = TestFiles.json(TestFiles.golden("gguf_files.json"));

    private GgufCases() {}

    public static Stream<JsonNode> all() {
        return StreamSupport.stream(GOLDEN.get("cases").spliterator(), false);
    }

    public static JsonNode named(String name) {
        return all().filter(each -> each.get("name").textValue().equals(name))
                .findFirst()
                .orElseThrow();
    }

    /** Writes the files of a case into a directory, and returns the directory. */
    public static Path write(String name, Path directory) {
        JsonNode given = named(name);
        given.get("texts")
                .properties()
                .forEach(file -> TestFiles.write(
                        directory.resolve(file.getKey()), file.getValue().textValue()));
        if (given.get("model").isTextual()) {
            TestFiles.write(
                    directory.resolve("tokenizer.model"),
                    Base64.getDecoder().decode(given.get("model").textValue()));
        }
        writeWeights(given, directory);
        return directory;
    }

    private static void writeWeights(JsonNode given, Path directory) {
        JsonNode config = TestFiles.json(directory.resolve("config.json"));
        String dtype = given.get("stored").textValue();
        boolean isGemma = config.get("model_type").textValue().startsWith("gemma");
        int silent = given.get("silent").intValue();
        SafeTensors.write(
                directory.resolve("model.safetensors"),
                TensorPlans.read(directory.resolve("config.json"), dtype),
                ByteBuffer.allocateDirect(1 << 16).order(ByteOrder.LITTLE_ENDIAN),
                (plan, offset, destination) -> {
                    int bytes = dtype.equals("F32") ? 4 : 2;
                    for (long i = offset / bytes; destination.hasRemaining(); i++) {
                        int bits = Float.floatToRawIntBits(weight(plan, i, isGemma, silent));
                        if (bytes == 4) {
                            destination.putInt(bits);
                        } else {
                            destination.putShort((short) (bits >>> 16)); // exact
                        }
                    }
                });
    }

    private static float weight(SafeTensors.Plan plan, long index, boolean isGemma, int silent) {
        CRC32 seed = new CRC32();
        seed.update(plan.name().getBytes(StandardCharsets.UTF_8));
        int hash = (int) (index * 2654435761L + seed.getValue());
        hash ^= hash >>> 15;
        hash *= (int) 2246822519L;
        hash ^= hash >>> 13;
        int value = (hash & 255) - 128;
        if (plan.name().endsWith("norm.weight")) {
            return (value >> 3) / 64f + (isGemma ? 0 : 1);
        }
        if (plan.name().contains("embed_tokens") || plan.name().contains("lm_head")) {
            float divisor = plan.name().contains("embed_tokens") ? 1024 : 128;
            return index / plan.shape().get(1) < silent ? 0 : value / divisor;
        }
        return value / 512f;
    }
}
