package org.dpo4j.export;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.dpo4j.io.Sha256;

/** Reads a GGUF file to the form of {@code listing} in gguf_files.py. Values and tensors are JSON. */
record GgufListing(Map<String, JsonNode> keys, Map<String, JsonNode> tensors) {
    private static final JsonNodeFactory JSON = JsonNodeFactory.instance;
    private static final int LONG_LIST = 24;
    private static final List<String> KINDS = List.of(
            "UINT8", "INT8", "UINT16", "INT16", "UINT32", "INT32", "FLOAT32", "BOOL", "STRING", "ARRAY", "UINT64");

    static GgufListing read(Path file) {
        try {
            ByteBuffer bytes = ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.LITTLE_ENDIAN);
            return read(bytes);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static GgufListing read(ByteBuffer bytes) {
        if (bytes.getInt() != 0x46554747 || bytes.getInt() != 3) {
            throw new AssertionError("not GGUF of version 3");
        }
        long tensorCount = bytes.getLong();
        long keyCount = bytes.getLong();
        Map<String, JsonNode> keys = new TreeMap<>();
        for (long i = 0; i < keyCount; i++) {
            String key = text(bytes);
            keys.put(key, value(bytes));
        }
        record Tensor(String name, ArrayNode shape, int type, long offset) {}
        List<Tensor> tensors = new ArrayList<>();
        for (long i = 0; i < tensorCount; i++) {
            String name = text(bytes);
            ArrayNode shape = JSON.arrayNode();
            for (int rest = bytes.getInt(); rest > 0; rest--) {
                shape.add(bytes.getLong());
            }
            tensors.add(new Tensor(name, shape, bytes.getInt(), bytes.getLong()));
        }
        int begin = (bytes.position() + 31) / 32 * 32;
        Map<String, JsonNode> listed = new TreeMap<>();
        for (Tensor tensor : tensors) {
            long elements = 1;
            for (JsonNode size : tensor.shape) {
                elements *= size.longValue();
            }
            ByteBuffer data = bytes.slice((int) (begin + tensor.offset), (int) size(tensor.type, elements))
                    .order(ByteOrder.LITTLE_ENDIAN);
            JsonNode content = tensor.name.equals("rope_freqs.weight") ? floats(data) : JSON.textNode(sha(data));
            listed.put(
                    tensor.name,
                    JSON.arrayNode().add(tensor.shape).add(type(tensor.type)).add(content));
        }
        return new GgufListing(keys, listed);
    }

    private static ArrayNode floats(ByteBuffer data) {
        ArrayNode floats = JSON.arrayNode();
        while (data.hasRemaining()) {
            floats.add(data.getFloat());
        }
        return floats;
    }

    private static String type(int number) {
        return switch (number) {
            case 0 -> "F32";
            case 1 -> "F16";
            case 8 -> "Q8_0";
            case 30 -> "BF16";
            default -> throw new AssertionError("type " + number);
        };
    }

    private static long size(int type, long elements) {
        return switch (type) {
            case 0 -> 4 * elements;
            case 8 -> elements / 32 * 34;
            default -> 2 * elements;
        };
    }

    /** {@code [kinds, value]}. */
    private static JsonNode value(ByteBuffer bytes) {
        int kind = bytes.getInt();
        if (!KINDS.get(kind).equals("ARRAY")) {
            return JSON.arrayNode().add(KINDS.get(kind)).add(scalar(bytes, kind));
        }
        int element = bytes.getInt();
        ArrayNode list = JSON.arrayNode();
        for (long rest = bytes.getLong(); rest > 0; rest--) {
            list.add(scalar(bytes, element));
        }
        JsonNode value = list.size() <= LONG_LIST ? list : JSON.textNode(sha(json(list)));
        return JSON.arrayNode().add("ARRAY " + KINDS.get(element)).add(value);
    }

    private static JsonNode scalar(ByteBuffer bytes, int kind) {
        return switch (KINDS.get(kind)) {
            case "UINT32" -> JSON.numberNode(Integer.toUnsignedLong(bytes.getInt()));
            case "INT32" -> JSON.numberNode((long) bytes.getInt());
            case "FLOAT32" -> JSON.numberNode((double) bytes.getFloat());
            case "BOOL" -> JSON.booleanNode(bytes.get() != 0);
            case "STRING" -> JSON.textNode(text(bytes));
            default -> throw new AssertionError("kind " + kind);
        };
    }

    private static String text(ByteBuffer bytes) {
        byte[] utf8 = new byte[(int) bytes.getLong()];
        bytes.get(utf8);
        return new String(utf8, StandardCharsets.UTF_8);
    }

    private static ByteBuffer json(JsonNode value) {
        try {
            return ByteBuffer.wrap(new ObjectMapper().writeValueAsBytes(value));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static String sha(ByteBuffer data) {
        MessageDigest digest = Sha256.digest();
        digest.update(data);
        return Sha256.hex(digest).substring(0, 16);
    }
}
