package org.dpo4j.fuzz;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Stream;
import org.dpo4j.data.chat.ChatTemplate;
import org.dpo4j.data.chat.Conversation;
import org.dpo4j.io.JsonFile;
import org.dpo4j.kernels.Dpo4jException;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * Jazzer passes any text as a chat template. The template must render, or be refused with an error that names its file,
 * in bounded time. {@link ModelFilesFuzzTest} describes the corpus and how Jazzer extends it.
 */
class ChatTemplatesFuzzTest {
    /** Rendering gives up after three seconds. */
    private static final long MAX_NANOS = 4_000_000_000L;

    private static final ObjectNode CHAT = JsonFile.parse("""
            {"messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "What is 2 + 2?"},
                {"role": "assistant", "content": "<think>\\nhm\\n</think>\\n\\nFour.", "tool_calls": [
                    {"function": {"name": "f", "arguments": {"x": [1, 2.5, null, true]}}}]},
                {"role": "tool", "content": "4"}],
             "tools": [{"type": "function", "function": {"name": "f", "description": "d", "parameters": {
                "type": "object", "properties": {"x": {"type": "array"}}}}}]}""");

    @FuzzTest(maxDuration = "60s")
    void template(byte[] content) {
        isRendered(content);
    }

    /** The corpus has templates of both kinds. Those named valid render, all others are refused. */
    @Test
    void theCorpusHasValidAndInvalidTemplates() throws Exception {
        int valid = 0;
        int invalid = 0;
        for (Path input : inputs("template")) {
            boolean isValid = input.getFileName().toString().startsWith("valid");
            assertThat(isRendered(Files.readAllBytes(input))).as("%s", input).isEqualTo(isValid);
            valid += isValid ? 1 : 0;
            invalid += isValid ? 0 : 1;
        }
        assertThat(valid).isGreaterThan(2);
        assertThat(invalid).isGreaterThan(8);
    }

    /** Templates that run for seconds, until they reach a limit. */
    @Test
    @Tag("long")
    void templatesThatReachALimitAreRefused() throws Exception {
        assertThat(inputs("limits"))
                .isNotEmpty()
                .allSatisfy(input ->
                        assertThat(isRendered(Files.readAllBytes(input))).isFalse());
    }

    private static List<Path> inputs(String kind) throws Exception {
        Path corpus = Path.of(
                Objects.requireNonNull(ChatTemplatesFuzzTest.class.getResource("ChatTemplatesFuzzTestInputs/" + kind))
                        .toURI());
        try (Stream<Path> inputs = Files.list(corpus)) {
            return inputs.toList();
        }
    }

    private static boolean isRendered(byte[] content) {
        long begin = processorNanos();
        try {
            String source = new String(content, StandardCharsets.UTF_8);
            Conversation conversation = new Conversation(
                    (ArrayNode) CHAT.get("messages"), (ArrayNode) CHAT.get("tools"), null, JsonFile.object());
            ChatTemplate.parse(source, "the template", Map.of("bos_token", "<s>"))
                    .render(conversation, ChatTemplate.End.GENERATION_PROMPT);
            return true;
        } catch (Dpo4jException e) {
            assertThat(e).hasMessageStartingWith("the template");
            return false;
        } finally {
            assertThat(processorNanos() - begin).isLessThan(MAX_NANOS);
        }
    }

    /** Of this thread, so that other programs do not count. */
    private static long processorNanos() {
        return ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime();
    }
}
