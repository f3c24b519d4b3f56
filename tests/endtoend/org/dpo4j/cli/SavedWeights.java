package org.dpo4j.cli;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import org.dpo4j.model.TestFiles;

/** Reads the tensors of a small safetensors file of F32 or BF16 by the description of the format, without the trainer's code. */
final class SavedWeights {
    private SavedWeights() {}

    static Map<String, float[]> read(Path file) throws IOException {
        ByteBuffer bytes = ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.LITTLE_ENDIAN);
        int header = Math.toIntExact(bytes.getLong());
        JsonNode entries = TestFiles.json(new String(bytes.array(), Long.BYTES, header, StandardCharsets.UTF_8));
        Map<String, float[]> tensors = new LinkedHashMap<>();
        entries.properties().forEach(entry -> {
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
}
