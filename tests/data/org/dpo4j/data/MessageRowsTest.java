package org.dpo4j.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.EnumSet;
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
import org.dpo4j.model.TestFiles;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Rows with messages, against ids and masks of TRL's three trainers: golden/message_rows.py. */
class MessageRowsTest {
    private static final JsonNode GOLDEN = GoldenTokenizers.read("message_rows.json");
    private static final JsonMapper JSON = new JsonMapper();

    @TempDir
    Path directory;

    static Stream<String> names() {
        return groups().map(group -> group.get("name").textValue());
    }

    private static Stream<JsonNode> groups() {
        return StreamSupport.stream(GOLDEN.spliterator(), false);
    }

    private Tokenizer load(JsonNode group) {
        String eos = group.get("eos").textValue();
        Tokenizer tokenizer =
                GoldenTokenizers.load(directory, group.get("tokenizer").textValue(), eos);
        ObjectNode config = JSON.createObjectNode().put("eos_token", eos);
        config.set("bos_token", group.get("bos"));
        TestData.write(directory, "tokenizer_config.json", config.toString());
        TestData.write(directory, "chat_template.jinja", group.get("template").textValue());
        return tokenizer;
    }

    private Encoder.Joint encode(JsonNode row, Tokenizer tokenizer, RowOptions options) throws BadRow {
        ObjectNode values = (ObjectNode) row;
        EnumSet<Kind> kind =
                EnumSet.of(values.has("label") ? Kind.JUDGED : values.has("rejected") ? Kind.PAIR : Kind.SINGLE);
        Example example = RowFormats.find(values, kind).read(values).get(0);
        return new Encoder(tokenizer, tokenizer.size(), options).encode(example.content());
    }

    private RowOptions options(OnPromptMismatch onPromptMismatch) {
        return new RowOptions(ColumnMap.NONE, ChatTemplates.in(directory), onPromptMismatch, false);
    }

    @ParameterizedTest
    @MethodSource("names")
    void idsAreThoseOfTrl(String name) throws BadRow {
        JsonNode group = groups().filter(each -> each.get("name").textValue().equals(name))
                .findFirst()
                .orElseThrow();
        try (Tokenizer tokenizer = load(group)) {
            RowOptions all = options(OnPromptMismatch.CUT);
            for (JsonNode expected : group.get("rows")) {
                boolean isAssistantOnly = expected.path("assistant_only").asBoolean();
                RowOptions options = isAssistantOnly ? all.assistantOnly() : all;
                assertSame(encode(expected.get("row"), tokenizer, options), expected);
            }
        }
    }

    private static void assertSame(Encoder.Joint joint, JsonNode expected) {
        String row = expected.get("row").toString();
        if (expected.has("input_ids")) {
            int[] ids = TestFiles.ints(expected.get("input_ids"));
            int[] learnt = TestFiles.ints(expected.get("learnt"));
            int prompt = joint.prompt().length;
            assertThat(joint.prompt()).as(row).isEqualTo(Arrays.copyOf(ids, prompt));
            assertThat(joint.completions()[0]).as(row).isEqualTo(Arrays.copyOfRange(ids, prompt, ids.length));
            for (int i = 1; i < ids.length; i++) { // nothing predicts the first token
                boolean isTarget = i >= prompt && (joint.targets() == null || joint.targets()[i - prompt]);
                assertThat(isTarget).as("token %d of %s", i, row).isEqualTo(learnt[i] == 1);
            }
            return;
        }
        assertThat(joint.prompt()).as(row).isEqualTo(TestFiles.ints(expected.get("prompt_ids")));
        String first = expected.has("label") ? "completion_ids" : "chosen_ids";
        assertThat(joint.completions()[0]).as(row).isEqualTo(TestFiles.ints(expected.get(first)));
        if (expected.has("rejected_ids")) {
            assertThat(joint.completions()[1]).as(row).isEqualTo(TestFiles.ints(expected.get("rejected_ids")));
        }
    }

    /** The template writes a line after the header that no finished answer has. */
    @Test
    void aPromptThatIsRenderedOtherwiseWithAnAnswerIsRefused() {
        JsonNode group = groups().filter(each -> each.get("name").textValue().equals("a header that no answer has"))
                .findFirst()
                .orElseThrow();
        try (Tokenizer tokenizer = load(group)) {
            assertThatThrownBy(() ->
                            encode(group.get("rows").get(0).get("row"), tokenizer, options(OnPromptMismatch.STOP)))
                    .hasMessage("the chat template renders the prompt as"
                            + " ...\"forest?<|im_end|>\\n<|im_start|>assistant\\n<think>\\n\", and with chosen behind it"
                            + " as ...\"forest?<|im_end|>\\n<|im_start|>assistant\\nA little girl.<|im_end|>\\n\"; from"
                            + " character 77 on they differ. Use a template that renders a prompt the same way, or let"
                            + " on_prompt_mismatch cut the prompt there");
        }
    }

    /**
     * An emoji at the end of a generated part is several tokens, which share its character. TRL learns the first of them
     * only.
     */
    @Test
    void allTokensOfTheLastCharacterAreLearnt() throws BadRow {
        JsonNode group = GOLDEN.get(0);
        try (Tokenizer tokenizer = load(group)) {
            TestData.write(
                    directory,
                    "chat_template.jinja",
                    "{% for m in messages %}{% if m.role == 'user' %}{{ m.content }}{% else %}"
                            + "{% generation %}{{ m.content }}{% endgeneration %}{% endif %}{% endfor %}");
            ObjectNode row = JSON.createObjectNode();
            row.putArray("messages")
                    .add(JSON.createObjectNode().put("role", "user").put("content", "a"))
                    .add(JSON.createObjectNode().put("role", "assistant").put("content", " b 😀"))
                    .add(JSON.createObjectNode().put("role", "user").put("content", " a"));
            Encoder.Joint joint =
                    encode(row, tokenizer, options(OnPromptMismatch.STOP).assistantOnly());
            int[] whole = tokenizer.encode("a b 😀 a");
            int before = tokenizer.encode("a").length;
            int behind = tokenizer.encode(" a").length;
            boolean[] expected = new boolean[whole.length - 1];
            Arrays.fill(expected, before - 1, expected.length - behind, true);
            assertThat(joint.completions()[0]).isEqualTo(Arrays.copyOfRange(whole, 1, whole.length));
            assertThat(joint.targets()).isEqualTo(expected);
        }
    }

    @Test
    void aTemplateWithoutGenerationBlocksLearnsNothing() {
        JsonNode group = GOLDEN.get(0);
        try (Tokenizer tokenizer = load(group)) {
            TestData.write(directory, "chat_template.jinja", "{% for m in messages %}{{ m.content }}{% endfor %}");
            assertThatThrownBy(() -> encode(
                            JSON.readTree("{\"messages\":[{\"role\":\"user\",\"content\":\"a b c\"}]}"),
                            tokenizer,
                            options(OnPromptMismatch.STOP).assistantOnly()))
                    .hasMessageStartingWith("the chat template marks no token of it as generated");
            TestData.write(
                    directory,
                    "chat_template.jinja",
                    "{% for m in messages %}{{ raise_exception('no role ' + m.role) }}{% endfor %}");
            assertThatThrownBy(() -> encode(
                            JSON.readTree("{\"messages\":[{\"role\":\"critic\",\"content\":\"a b c\"}]}"),
                            tokenizer,
                            options(OnPromptMismatch.STOP)))
                    .isInstanceOf(BadRow.class)
                    .hasMessageContaining("no role critic");
        }
    }
}
