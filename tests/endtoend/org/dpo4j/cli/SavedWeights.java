package org.dpo4j.cli;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;

/** The tensors of a small safetensors file of F32 or BF16, read by the format's description and by nothing of the trainer's. */
final class SavedWeights {
    private SavedWeights() {}

    static Map<String, float[]> read(Path file) {
        ByteBuffer bytes = ByteBuffer.wrap(bytes(file)).order(ByteOrder.LITTLE_ENDIAN);
        int header = Math.toIntExact(bytes.getLong());
        JsonNode entries = Cli.parse(new String(bytes.array(), Long.BYTES, header, StandardCharsets.UTF_8));
        Map<String, float[]> tensors = new LinkedHashMap<>();
        entries.fields().forEachRemaining(entry -> {
            if (!entry.getKey().equals("__metadata__")) {
                tensors.put(entry.getKey(), tensor(bytes, Long.BYTES + header, entry.getValue()));
            }
        });
        return tensors;
    }

    private static float[] tensor(ByteBuffer bytes, int data, JsonNode entry) {
        boolean isBf16 = entry.get("dtype").textValue().equals("BF16");
        int width = isBf16 ? Short.BYTES : Float.BYTES;
        int begin = data + entry.get("data_offsets").get(0).intValue();
        float[] values = new float[(data + entry.get("data_offsets").get(1).intValue() - begin) / width];
        for (int i = 0; i < values.length; i++) {
            int at = begin + i * width;
            values[i] = isBf16 ? Float.intBitsToFloat(bytes.getShort(at) << 16) : bytes.getFloat(at);
        }
        return values;
    }

    private static byte[] bytes(Path file) {
        try {
            return Files.readAllBytes(file);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
