package org.dpo4j.fuzz;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import com.fasterxml.jackson.core.JacksonException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.EnumSet;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.dpo4j.data.Tokenizer;
import org.dpo4j.data.row.ChatTemplates;
import org.dpo4j.data.row.ColumnMap;
import org.dpo4j.data.row.Content;
import org.dpo4j.data.row.Encoder;
import org.dpo4j.data.row.Example;
import org.dpo4j.data.row.OnPromptMismatch;
import org.dpo4j.data.row.RowFormat.Kind;
import org.dpo4j.data.row.RowFormats;
import org.dpo4j.data.row.RowOptions;
import org.dpo4j.data.source.BadRow;
import org.dpo4j.model.TestFiles;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Any JSON object as a row. It becomes examples and ids, or it is a {@link BadRow}; nothing else is thrown. As {@link
 * ModelFilesFuzzTest}, this runs on its corpus, and with {@code JAZZER_FUZZ} on inputs that Jazzer finds.
 */
class RowsFuzzTest {
    private static final int CASES = Integer.getInteger("dpo4j.fuzz.cases", 40);
    private static final JsonMapper JSON = new JsonMapper();
    private static final String TEMPLATE = "{% for m in messages %}{{ m.role }}: {% if m.role == 'assistant' %}"
            + "{% generation %}{{ m.content }}{% endgeneration %}{% else %}{{ m.content }}{% endif %}\n{% endfor %}"
            + "{% if add_generation_prompt %}assistant: {% endif %}";

    private static final String TOKENIZER =
            "{\"version\":\"1.0\",\"added_tokens\":[],\"normalizer\":null,\"pre_tokenizer\":{\"type\":\"Whitespace\"},"
                    + "\"post_processor\":null,\"decoder\":null,\"model\":{\"type\":\"WordLevel\","
                    + "\"vocab\":{\"<unk>\":0,\"</s>\":1,\"a\":2,\"b\":3,\"Sky\":4},\"unk_token\":\"<unk>\"}}";

    @TempDir
    private static Path temporary;

    private static @Nullable Encoders encoders;

    /** Made by the first input, as in {@link ModelFilesFuzzTest}. */
    private record Encoders(Tokenizer tokenizer, Encoder all, Encoder assistantOnly) {
        static Encoders make() throws IOException {
            Files.writeString(temporary.resolve("tokenizer.json"), TOKENIZER);
            Files.writeString(temporary.resolve("tokenizer_config.json"), "{\"eos_token\":\"</s>\"}");
            Files.writeString(temporary.resolve("chat_template.jinja"), TEMPLATE);
            Tokenizer tokenizer = Tokenizer.load(temporary, 5);
            RowOptions options =
                    new RowOptions(ColumnMap.NONE, ChatTemplates.in(temporary), OnPromptMismatch.CUT, false);
            return new Encoders(
                    tokenizer,
                    new Encoder(tokenizer, tokenizer.size(), options),
                    new Encoder(tokenizer, tokenizer.size(), options.assistantOnly()));
        }
    }

    @AfterAll
    static void close() {
        if (encoders != null) {
            encoders.tokenizer.close();
        }
    }

    @FuzzTest(maxDuration = "60s")
    void row(byte[] content) throws IOException {
        check(content);
    }

    private static void check(byte[] content) throws IOException {
        JsonNode row;
        try {
            row = JSON.readTree(new String(content, StandardCharsets.UTF_8));
        } catch (JacksonException e) {
            return;
        }
        if (encoders == null) {
            encoders = Encoders.make();
        }
        if (row instanceof ObjectNode values) {
            for (Kind kind : Kind.values()) {
                read(values, kind, encoders);
            }
        }
    }

    private static void read(ObjectNode values, Kind kind, Encoders by) {
        String before = values.toString();
        try {
            List<Example> examples = RowFormats.find(values, EnumSet.of(kind)).read(values);
            assertThat(examples).isNotEmpty();
            for (Example example : examples) {
                encode(example.content(), kind == Kind.SINGLE ? by.assistantOnly : by.all);
                encode(example.content(), by.all);
            }
        } catch (BadRow bad) {
            assertThat(bad.getMessage()).isNotBlank().hasSizeLessThan(2_000);
        }
        assertThat(values).as("the row does not change").hasToString(before);
    }

    private static void encode(Content content, Encoder encoder) throws BadRow {
        try {
            Encoder.Joint joint = encoder.encode(content);
            if (joint.targets() != null) {
                assertThat(joint.targets()).hasSameSizeAs(joint.completions()[0]);
            }
        } catch (BadRow bad) {
            if (bad.reason() != BadRow.Reason.NO_TARGETS) {
                throw bad;
            }
        }
    }

    /** The rows of the corpus, randomly changed. The seed of a failure repeats it. */
    @Test
    void changedRowsAreReadOrRefused() throws IOException {
        List<Path> rows;
        try (Stream<Path> files =
                Files.list(TestFiles.repository("tests/endtoend/org/dpo4j/fuzz/RowsFuzzTestInputs/row"))) {
            rows = files.sorted().toList();
        }
        assertThat(rows).hasSizeGreaterThan(20);
        for (Path row : rows) {
            byte[] valid = Files.readAllBytes(row);
            for (long seed = 0; seed < CASES; seed++) {
                try {
                    check(new JsonMutations(new Random(seed)).change(valid));
                } catch (RuntimeException | AssertionError e) {
                    throw new AssertionError(row.getFileName() + ", seed " + seed, e);
                }
            }
        }
    }
}
