package org.dpo4j.conformance;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.stream.StreamSupport;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.decoder.QuantType;
import org.dpo4j.testkit.ReferenceFourBit.Nested;

/** A tensor that bitsandbytes quantised: a case of {@code four_bit.json}. */
record FourBitCase(JsonNode json) {
    private static final String HASH = "sha256 ";

    static List<FourBitCase> all() {
        return StreamSupport.stream(Golden.read("four_bit.json").get("cases").spliterator(), false)
                .map(FourBitCase::new)
                .toList();
    }

    String name() {
        return json.get("name").asText();
    }

    QuantType type() {
        return QuantType.valueOf(json.get("quant_type").asText().toUpperCase(Locale.ROOT));
    }

    /** Of the tensor that was quantised. */
    DType dtype() {
        return switch (json.get("dtype").asText()) {
            case "float32" -> DType.F32;
            case "bfloat16" -> DType.BF16;
            default -> DType.F16;
        };
    }

    int rows() {
        return json.get("shape").get(0).asInt();
    }

    int width() {
        return json.get("shape").get(1).asInt();
    }

    int count() {
        return rows() * width();
    }

    boolean isNested() {
        return json.has("nested");
    }

    /** The elements, as the script computes them. */
    float[] elements() {
        if (json.has("values")) {
            return floats(json.get("values"));
        }
        int bits = json.get("bits").asInt();
        float[] elements = new float[count()];
        int state = 12345;
        for (int i = 0; i < elements.length; i++) {
            state = state * 1664525 + 1013904223;
            int whole = (state >>> 32 - bits) - (1 << bits - 1);
            elements[i] = Math.scalb((float) whole, -bits - i / 64 % 5);
        }
        return elements;
    }

    /** The absmax values in 8 bits. */
    Nested nested() {
        JsonNode nested = json.get("nested");
        byte[] codes = bytes(nested.get("codes"));
        int[] unsigned = new int[codes.length];
        for (int i = 0; i < codes.length; i++) {
            unsigned[i] = codes[i] & 0xFF;
        }
        return new Nested(
                unsigned,
                floats(Golden.read("four_bit.json").get("nested_map")),
                floats(nested.get("factors")),
                floats(nested.get("offset"))[0]);
    }

    static byte[] bytes(JsonNode hexadecimal) {
        return HexFormat.of().parseHex(hexadecimal.asText());
    }

    static float[] floats(JsonNode hexadecimal) {
        ByteBuffer bytes = ByteBuffer.wrap(bytes(hexadecimal)).order(ByteOrder.LITTLE_ENDIAN);
        float[] floats = new float[bytes.remaining() / Float.BYTES];
        bytes.asFloatBuffer().get(floats);
        return floats;
    }

    /** Whether bytes are those of an array of the case. */
    boolean hasBytes(String array, byte[] bytes) {
        String expected = json.get(array).asText();
        try {
            String actual = expected.startsWith(HASH)
                    ? HASH
                            + HexFormat.of()
                                    .formatHex(
                                            MessageDigest.getInstance("SHA-256").digest(bytes))
                    : HexFormat.of().formatHex(bytes);
            return actual.equals(expected);
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }
}
