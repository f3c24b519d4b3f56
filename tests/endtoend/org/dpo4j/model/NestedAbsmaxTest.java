package org.dpo4j.model;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Against bitsandbytes ({@code four_bit.py}). */
class NestedAbsmaxTest {
    private static JsonNode golden() throws IOException {
        return new ObjectMapper().readTree(Files.readAllBytes(TestFiles.golden("four_bit.json")));
    }

    private static float[] floats(JsonNode hexadecimal) {
        ByteBuffer bytes =
                ByteBuffer.wrap(HexFormat.of().parseHex(hexadecimal.asText())).order(ByteOrder.LITTLE_ENDIAN);
        float[] floats = new float[bytes.remaining() / Float.BYTES];
        bytes.asFloatBuffer().get(floats);
        return floats;
    }

    private static List<JsonNode> cases() throws IOException {
        List<JsonNode> cases = new ArrayList<>();
        golden().get("cases").forEach(each -> {
            if (each.has("nested")) {
                cases.add(each.get("nested"));
            }
        });
        assertThat(cases).hasSizeGreaterThan(4);
        return cases;
    }

    @Test
    void theMapHasTheBitsOfBitsandbytes() throws IOException {
        assertThat(NestedAbsmax.numbers()).containsExactly(floats(golden().get("nested_map")));
    }

    @Test
    void codesAndFactorsAreThoseOfBitsandbytesForItsOffset() throws IOException {
        for (JsonNode golden : cases()) {
            NestedAbsmax nested = NestedAbsmax.quantise(floats(golden.get("absmax")), floats(golden.get("offset"))[0]);
            assertThat(nested.codes())
                    .isEqualTo(HexFormat.of().parseHex(golden.get("codes").asText()));
            assertThat(nested.factors()).containsExactly(floats(golden.get("factors")));
        }
    }

    /** torch sums floats: each of n additions adds an error of at most 2^-24 of the sum. */
    @Test
    void theOffsetIsTheMeanRoundedOnce() throws IOException {
        for (JsonNode golden : cases()) {
            float[] absmax = floats(golden.get("absmax"));
            float mean = NestedAbsmax.mean(absmax);
            assertThat(mean).isEqualTo(floats(golden.get("mean"))[0]);
            assertThat(Math.abs(mean - floats(golden.get("offset"))[0]))
                    .isLessThanOrEqualTo(absmax.length * 0x1p-24f * mean);
        }
    }
}
