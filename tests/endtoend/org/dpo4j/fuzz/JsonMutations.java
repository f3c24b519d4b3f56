package org.dpo4j.fuzz;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.dpo4j.model.TestFiles;

/** Random changes of JSON text: some keep it valid and change a value, some change bytes. */
final class JsonMutations {
    /** Values that code is not prepared for: limits of number types, wrong types, paths, depth. */
    private static final List<String> VALUES = List.of(
            "null",
            "true",
            "\"\"",
            "[]",
            "{}",
            "0",
            "-1",
            "1",
            "3",
            "0.5",
            "-0.0",
            "1e-320",
            "1e308",
            "1e999",
            "2147483647",
            "2147483648",
            "-2147483648",
            "9223372036854775807",
            "9223372036854775808",
            "1" + "0".repeat(30),
            "1.0",
            "65536",
            "16777216",
            "[[[[1]]]]",
            "{\"a\": {\"b\": []}}",
            "[1, \"a\", null]",
            "\"../../etc/passwd\"",
            "\"/etc/passwd\"",
            "\"model-00002-of-00002.safetensors\"",
            "\".\"",
            "\"..\"",
            "\"a\\u0000b\"",
            "\"\\ud800\"",
            "\"" + "x".repeat(3000) + "\"",
            "\"F64\"",
            "\"BF16\"",
            "\"llama\"",
            "[0, 8]",
            "[4, 12]",
            "[2, 3]",
            "[9223372036854775807, 2]",
            "[4294967296, 4294967296]",
            "[]");

    private final Random random;

    JsonMutations(Random random) {
        this.random = random;
    }

    /** The text after one to four changes. */
    byte[] change(byte[] text) {
        int changes = 1 + random.nextInt(4);
        if (random.nextInt(4) == 0) {
            byte[] bytes = text;
            for (int i = 0; i < changes; i++) {
                bytes = changeBytes(bytes);
            }
            return bytes;
        }
        JsonNode json = TestFiles.json(new String(text, StandardCharsets.UTF_8));
        for (int i = 0; i < changes; i++) {
            changeValue(json);
        }
        return json.toString().getBytes(StandardCharsets.UTF_8);
    }

    /** Sets, removes, copies or renames a member of a random object or list. */
    private void changeValue(JsonNode root) {
        List<JsonNode> containers = new ArrayList<>();
        collect(root, containers);
        JsonNode container = containers.get(random.nextInt(containers.size()));
        if (container instanceof ObjectNode object && !object.isEmpty()) {
            List<String> names = new ArrayList<>();
            object.fieldNames().forEachRemaining(names::add);
            String name = names.get(random.nextInt(names.size()));
            switch (random.nextInt(8)) {
                case 0 -> object.remove(name);
                case 1 -> object.set(name + "x", object.get(name).deepCopy());
                case 2 ->
                    object.set(
                            name,
                            object.get(names.get(random.nextInt(names.size()))).deepCopy());
                default -> object.set(name, value());
            }
        } else if (container instanceof ArrayNode array) {
            if (array.isEmpty() || random.nextInt(4) == 0) {
                array.add(value());
            } else if (random.nextInt(4) == 0) {
                array.remove(random.nextInt(array.size()));
            } else {
                array.set(random.nextInt(array.size()), value());
            }
        }
    }

    private JsonNode value() {
        return TestFiles.json(VALUES.get(random.nextInt(VALUES.size())));
    }

    private static void collect(JsonNode node, List<JsonNode> containers) {
        if (node.isContainerNode()) {
            containers.add(node);
            node.forEach(child -> collect(child, containers));
        }
    }

    private byte[] changeBytes(byte[] bytes) {
        int at = random.nextInt(Math.max(1, bytes.length));
        int end = Math.min(bytes.length, at + 1 + random.nextInt(20));
        return switch (random.nextInt(5)) {
            case 0 -> Arrays.copyOf(bytes, at);
            case 1 -> joined(bytes, at, new byte[0], end);
            case 2 -> joined(bytes, at, Arrays.copyOfRange(bytes, at, end), at);
            case 3 -> joined(bytes, at, "[{\"".repeat(1 + random.nextInt(500)).getBytes(StandardCharsets.UTF_8), at);
            default -> joined(bytes, at, new byte[] {(byte) random.nextInt(256)}, Math.min(bytes.length, at + 1));
        };
    }

    /** Bytes before {@code at}, then {@code middle}, then those from {@code from} on. */
    private static byte[] joined(byte[] bytes, int at, byte[] middle, int from) {
        byte[] all = Arrays.copyOf(bytes, Math.min(at, bytes.length) + middle.length + bytes.length - from);
        System.arraycopy(middle, 0, all, at, middle.length);
        System.arraycopy(bytes, from, all, at + middle.length, bytes.length - from);
        return all;
    }
}
