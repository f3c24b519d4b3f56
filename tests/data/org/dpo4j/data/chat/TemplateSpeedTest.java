package org.dpo4j.data.chat;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Path;
import java.util.Map;
import org.dpo4j.data.chat.ChatTemplate.End;
import org.dpo4j.io.JsonFile;
import org.dpo4j.model.TestFiles;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** One core renders a conversation of ten messages at least 2,000 times a second. */
class TemplateSpeedTest {
    private static final int RENDERS = 20_000;
    private static final int MIN_PER_SECOND = 2_000;

    @ParameterizedTest
    @ValueSource(strings = {"Qwen-Qwen2.5-7B-Instruct.jinja", "meta-llama-Llama-3.1-8B-Instruct.jinja"})
    @Tag("long")
    void tenMessages(String name) {
        Path file = TestFiles.real("chat-templates").resolve(name);
        ChatTemplate template = ChatTemplate.parse(TestFiles.read(file), name, Map.of("bos_token", "<s>"));
        Conversation conversation = new Conversation(tenMessages(), null, null, JsonFile.object());
        render(template, conversation); // compiles the code
        long begin = System.nanoTime();
        render(template, conversation);
        double seconds = (System.nanoTime() - begin) * 1e-9;
        System.out.printf("%s: %,.0f renders a second%n", name, RENDERS / seconds);
        assertThat(RENDERS / seconds).isGreaterThan(MIN_PER_SECOND);
    }

    private static void render(ChatTemplate template, Conversation conversation) {
        for (int i = 0; i < RENDERS; i++) {
            assertThat(template.render(conversation, End.GENERATION_PROMPT).text())
                    .isNotEmpty();
        }
    }

    private static ArrayNode tenMessages() {
        ObjectNode json = JsonFile.object();
        ArrayNode messages = json.putArray("messages");
        for (int i = 0; i < 10; i++) {
            messages.addObject()
                    .put("role", i % 2 == 0 ? "user" : "assistant")
                    .put("content", "Sentence number " + i + ", with a few more words than the last one had.");
        }
        return messages;
    }
}
