package org.dpo4j.data.chat;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Objects;
import org.dpo4j.data.chat.ChatTemplate.End;
import org.dpo4j.io.JsonFile;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.model.TestFiles;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What a chat template is made of: files, special tokens, the end of the text, spans and errors. */
class ChatTemplateTest {
    private static final String CHATML = """
            {%- for message in messages %}
            {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}
            {%- endfor %}
            {%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}
            """;

    @TempDir
    Path directory;

    private static Conversation conversation(String messages) {
        ObjectNode json = JsonFile.parse("{\"messages\":" + messages + "}");
        return new Conversation((ArrayNode) json.get("messages"), null, null, JsonFile.object());
    }

    private static final Conversation TWO = conversation(
            "[{'role':'user','content':'Hi'},{'role':'assistant','content':'Hello, you. '}]".replace('\'', '"'));

    private static String render(String template, Conversation conversation, End end) {
        return ChatTemplate.parse(template, "the template", Map.of("bos_token", "<s>"))
                .render(conversation, end)
                .text();
    }

    @Test
    void endsAreThoseOfTransformers() {
        String whole = "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nHello, you. <|im_end|>\n";
        assertThat(render(CHATML, TWO, End.AS_IS)).isEqualTo(whole);
        assertThat(render(CHATML, TWO, End.GENERATION_PROMPT)).isEqualTo(whole + "<|im_start|>assistant\n");
        assertThat(render(CHATML, TWO, End.CONTINUE_FINAL_MESSAGE))
                .isEqualTo(whole.substring(0, whole.length() - "<|im_end|>\n".length()));
    }

    /** A template that trims the content trims the space behind the mark too, so that what comes before is trimmed. */
    @Test
    void aTrimmedMessageIsContinuedWithoutItsLastSpace() {
        String template = "{% for m in messages %}{{ bos_token }}{{ m.content | trim }}|{% endfor %}";
        assertThat(render(template, TWO, End.CONTINUE_FINAL_MESSAGE)).isEqualTo("<s>Hi|<s>Hello, you.");
    }

    @Test
    void aMessageThatTheTemplateChangesCannotBeContinued() {
        String template = "{% for m in messages %}{{ m.content | upper }}|{% endfor %}";
        assertThatThrownBy(() -> render(template, TWO, End.CONTINUE_FINAL_MESSAGE))
                .isInstanceOf(Dpo4jException.class)
                .hasMessageContaining("does not print it unchanged");
    }

    @Test
    void generationBlocksBecomeSpans() {
        ChatTemplate template = ChatTemplate.parse(
                "{% for m in messages %}{% if m.role == 'assistant' %}{% generation %}{{ m.content }}{% endgeneration %}"
                        + "{% else %}{{ m.content }}: {% endif %}{% endfor %}",
                "spans", Map.of());
        Rendered rendered = template.render(TWO, End.AS_IS);
        assertThat(rendered.text()).isEqualTo("Hi: Hello, you. ");
        assertThat(rendered.generated()).containsExactly(new Rendered.Span(4, 16));
    }

    @Test
    void errorsNameTemplateLineAndColumn() {
        assertThatThrownBy(() -> render("a\n{{ messages | groupby('role') }}", TWO, End.AS_IS))
                .isInstanceOf(Dpo4jException.class)
                .hasMessage(
                        "the template, line 2, column 15: the filter groupby is not supported; correct the template,"
                                + " or pass another one");
        assertThatThrownBy(
                        () -> render("{% for m in messages %}\n  {{ m.content.foo.bar }}{% endfor %}", TWO, End.AS_IS))
                .isInstanceOf(Dpo4jException.class)
                .hasMessageContaining("line 2, column 19")
                .hasMessageContaining("no element 'foo'");
        assertThatThrownBy(() -> render("{{ messages[0].nope | tojson }}", TWO, End.AS_IS))
                .isInstanceOf(Dpo4jException.class)
                .hasMessageContaining("no element 'nope'");
        assertThatThrownBy(() -> render("{{ messages[7].role }}", TWO, End.AS_IS))
                .isInstanceOf(Dpo4jException.class)
                .hasMessageContaining("a list of 2 has no element 7");
        assertThatThrownBy(() -> render("{{ raise_exception('roles must alternate') }}", TWO, End.AS_IS))
                .isInstanceOf(Dpo4jException.class)
                .hasMessageContaining("roles must alternate");
    }

    @Test
    void reasoningIsCopiedToAllItsNamesAndNullIsAbsent() {
        Conversation one = conversation("""
                [{"role": "assistant", "content": null, "reasoning": "why"}]""");
        String template = "{% for m in messages %}{{ m.items() | list }}{% endfor %}";
        // transformers 5.23: {"thinking": reasoning, **message, "reasoning_content": reasoning}
        assertThat(render(template, one, End.AS_IS))
                .isEqualTo("[('thinking', 'why'), ('role', 'assistant'), ('reasoning', 'why'), ('reasoning_content',"
                        + " 'why')]");
    }

    private void write(String name, String content) {
        TestFiles.write(directory.resolve(name), content);
    }

    private static String text(@Nullable ChatTemplate template) {
        return Objects.requireNonNull(template).render(TWO, End.AS_IS).text();
    }

    @Test
    void aFileReplacesTheConfigAndNamedTemplatesAreFound() throws Exception {
        assertThat(ChatTemplate.find(directory)).isNull();
        write("tokenizer_config.json", """
                {"chat_template": [{"name": "default", "template": "one {{ bos_token }}"},
                                   {"name": "tool_use", "template": "two {{ eos_token }}"}],
                 "bos_token": {"__type": "AddedToken", "content": "<b>"}, "eos_token": "<e>"}""");
        assertThat(text(ChatTemplate.find(directory))).isEqualTo("one <b>");
        assertThat(text(ChatTemplate.find(directory, "tool_use"))).isEqualTo("two <e>");
        assertThat(ChatTemplate.find(directory, "rag")).isNull();
        write("special_tokens_map.json", "{\"bos_token\": {\"content\": \"<legacy>\"}, \"image_token\": \"<i>\"}");
        assertThat(text(ChatTemplate.find(directory))).isEqualTo("one <legacy>");
        write("chat_template.jinja", "three {{ image_token }}\n");
        assertThat(text(ChatTemplate.find(directory))).isEqualTo("three <i>");
        assertThat(ChatTemplate.find(directory, "tool_use")).isNull();
        Files.createDirectory(directory.resolve("additional_chat_templates"));
        write("additional_chat_templates/rag.jinja", "four");
        assertThat(text(ChatTemplate.find(directory, "rag"))).isEqualTo("four");
    }
}
