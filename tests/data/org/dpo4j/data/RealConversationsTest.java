package org.dpo4j.data;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.dpo4j.data.row.ChatTemplates;
import org.dpo4j.data.row.ColumnMap;
import org.dpo4j.data.row.Encoder;
import org.dpo4j.data.row.Example;
import org.dpo4j.data.row.OnPromptMismatch;
import org.dpo4j.data.row.RowFormat.Kind;
import org.dpo4j.data.row.RowFormats;
import org.dpo4j.data.row.RowOptions;
import org.dpo4j.data.source.BadRow;
import org.dpo4j.data.source.RowFiles;
import org.dpo4j.data.source.Rows;
import org.dpo4j.model.TestFiles;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Real conversations in four formats have the ids and masks of TRL's three trainers: golden/real_rows.py. */
@Tag("long") // loads a large tokenizer five times
class RealConversationsTest {
    @TempDir
    Path directory;

    static Stream<JsonNode> cases() {
        return StreamSupport.stream(GoldenTokenizers.read("real_rows.json").spliterator(), false);
    }

    @ParameterizedTest
    @MethodSource("cases")
    void idsAreThoseOfTrl(JsonNode expected) throws IOException, BadRow, NoSuchAlgorithmException {
        Path rowFile = TestFiles.real(expected.get("file").textValue());
        Files.copy(TestFiles.real("tokenizers/qwen2.5/tokenizer.json"), directory.resolve("tokenizer.json"));
        Files.copy(
                TestFiles.real("chat-templates/trl/qwen2_5_training.jinja"), directory.resolve("chat_template.jinja"));
        TestData.write(directory, "tokenizer_config.json", "{\"eos_token\": \"<|im_end|>\"}");
        Kind kind = Kind.valueOf(expected.get("kind").textValue());
        RowOptions all = new RowOptions(ColumnMap.NONE, ChatTemplates.in(directory), OnPromptMismatch.STOP, false);
        MessageDigest sha = MessageDigest.getInstance("SHA-256");
        try (Tokenizer tokenizer = Tokenizer.load(directory, 1 << 18);
                Rows rows = RowFiles.open(rowFile)) {
            Encoder encoder = new Encoder(tokenizer, 1 << 18, kind == Kind.SINGLE ? all.assistantOnly() : all);
            for (int i = 0; i < expected.get("rows").intValue(); i++) {
                ObjectNode row = Objects.requireNonNull(rows.next()).values();
                if (kind == Kind.SINGLE) {
                    row.remove("label"); // else the row is a judged answer
                }
                Example example =
                        RowFormats.find(row, EnumSet.of(kind)).read(row).get(0);
                String line = line(encoder.encode(example.content()), example);
                sha.update((line + "\n").getBytes(StandardCharsets.UTF_8));
            }
        }
        assertThat(HexFormat.of().formatHex(sha.digest()))
                .isEqualTo(expected.get("sha256").textValue());
    }

    /** Ids of prompt and completions, or the whole and its mask, as JSON. */
    private static String line(Encoder.Joint joint, Example example) {
        List<int[]> parts = new ArrayList<>(List.of(joint.completions()));
        parts.add(0, joint.prompt());
        ArrayNode line = JsonNodeFactory.instance.arrayNode();
        if (example instanceof Example.Single) {
            ArrayNode ids = line.addArray();
            parts.forEach(part -> add(ids, part));
            ArrayNode learnt = line.addArray().add(0);
            for (boolean isTarget : Objects.requireNonNull(joint.targets())) {
                learnt.add(isTarget ? 1 : 0);
            }
        } else {
            parts.forEach(part -> add(line.addArray(), part));
        }
        if (example instanceof Example.Judged judged) {
            line.add(judged.label());
        }
        return line.toString();
    }

    private static void add(ArrayNode to, int[] ids) {
        for (int id : ids) {
            to.add(id);
        }
    }
}
