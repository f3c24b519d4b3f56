package org.dpo4j.data.chat;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Clock;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.dpo4j.data.chat.ChatTemplate.End;
import org.dpo4j.io.JsonFile;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.model.TestFiles;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Texts and spans against those of transformers and jinja2: golden/chat_templates.py. */
class PythonTemplatesTest {
    private static final ObjectNode GOLDEN = JsonFile.read(TestFiles.golden("chat_templates.json"));
    private static final List<Chat> CHATS =
            elements("conversations").map(PythonTemplatesTest::chat).toList();
    private static final Map<String, String> SPECIAL = special();
    private static final Clock NOON = Clock.fixed(Instant.parse("2024-07-06T12:04:03Z"), ZoneOffset.UTC);

    private record Chat(Conversation conversation, End end) {}

    private static Map<String, String> special() {
        Map<String, String> tokens = new TreeMap<>();
        GOLDEN.get("special")
                .fields()
                .forEachRemaining(
                        token -> tokens.put(token.getKey(), token.getValue().textValue()));
        return tokens;
    }

    private static Stream<JsonNode> elements(String key) {
        JsonNode list = GOLDEN.get(key);
        return IntStream.range(0, list.size()).mapToObj(list::get);
    }

    private static Chat chat(JsonNode json) {
        Conversation conversation = new Conversation(
                (ArrayNode) json.get("messages"),
                first("tools", json.get("tools")),
                first("documents", json.get("documents")),
                json.has("variables") ? (ObjectNode) json.get("variables") : JsonFile.object());
        return new Chat(conversation, End.valueOf(json.get("end").textValue()));
    }

    /** The first elements of a list, which conversations share; {@code count} may be absent. */
    private static @Nullable ArrayNode first(String list, @Nullable JsonNode count) {
        if (count == null) {
            return null;
        }
        ArrayNode first = ((ArrayNode) GOLDEN.get(list)).deepCopy();
        while (first.size() > count.intValue()) {
            first.remove(first.size() - 1);
        }
        return first;
    }

    /** Null if the template is refused. */
    private static @Nullable ChatTemplate parse(String source) {
        try {
            return ChatTemplate.parse(source, "the template", SPECIAL).withClock(NOON);
        } catch (Dpo4jException e) {
            return null;
        }
    }

    private static String source(String name) {
        try {
            return Files.readString(TestFiles.golden("chat_templates/" + name + ".jinja"));
        } catch (IOException e) {
            throw new IllegalStateException(name, e);
        }
    }

    private static String sum(String text) {
        return sha256(text).substring(0, 16);
    }

    private static String sha256(String text) {
        try {
            return HexFormat.of()
                    .formatHex(MessageDigest.getInstance("SHA-256").digest(text.getBytes(StandardCharsets.UTF_8)));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }

    /** The text and the spans as the script writes them; null if the template or the conversation is refused. */
    private static @Nullable String rendered(@Nullable ChatTemplate template, Chat chat) {
        if (template == null) {
            return null;
        }
        try {
            Rendered rendered = template.render(chat.conversation, chat.end);
            List<String> spans = new ArrayList<>();
            if (chat.end != End.CONTINUE_FINAL_MESSAGE) {
                for (Rendered.Span span : rendered.generated()) {
                    String text = rendered.text();
                    spans.add("[" + text.codePointCount(0, span.begin()) + ", " + text.codePointCount(0, span.end())
                            + "]");
                }
            }
            return rendered.text() + "\n[" + String.join(", ", spans) + "]";
        } catch (Dpo4jException e) {
            return null;
        }
    }

    private static String summed(@Nullable ChatTemplate template, Chat chat) {
        String rendered = rendered(template, chat);
        return rendered == null ? "error" : sum(rendered);
    }

    static List<String> templates() {
        List<String> names = new ArrayList<>();
        GOLDEN.get("templates").fieldNames().forEachRemaining(names::add);
        return names;
    }

    @ParameterizedTest
    @MethodSource("templates")
    void conversationsAreThoseOfTransformers(String name) {
        assertTexts(name, source(name), GOLDEN.get("templates").get(name));
    }

    /** An error of Python is an error here; a text of Python is the same text, or one of a few refusals. */
    @Test
    void snippetsAreThoseOfJinja2() {
        Chat hi = chat(JsonFile.parse("""
                {"messages": [{"role": "user", "content": "hi"}], "end": "AS_IS"}"""));
        Chat chat = new Chat(
                new Conversation(hi.conversation.messages(), null, null, (ObjectNode) GOLDEN.get("variables")),
                End.AS_IS);
        int refused = 0;
        for (JsonNode snippet : GOLDEN.get("snippets")) {
            String source = snippet.get(0).textValue();
            String text = rendered(parse(source), chat);
            if (text == null && !snippet.get(1).isNull()) {
                refused++;
            } else {
                String expected =
                        snippet.get(1).isNull() ? null : snippet.get(1).textValue() + "\n[]";
                assertThat(text).as(source).isEqualTo(expected);
            }
        }
        assertThat(refused).as("snippets that only this library refuses").isLessThan(REFUSED_SNIPPETS);
    }

    /** Such as methods of texts that the filter safe has marked. */
    private static final int REFUSED_SNIPPETS = 20;

    @Test
    void changedTemplatesAreThoseOfJinja2OrRefused() {
        int refused = 0;
        int equal = 0;
        for (JsonNode change : GOLDEN.get("changes")) {
            String original = source(change.get(0).textValue());
            String changed = original.substring(0, change.get(1).intValue())
                    + change.get(3).textValue()
                    + original.substring(change.get(2).intValue());
            Chat chat = CHATS.get(change.get(4).intValue());
            String sum = summed(parse(changed), chat);
            if (sum.equals("error") && !change.get(5).textValue().equals("error")) {
                refused++;
            } else {
                assertThat(sum)
                        .as("%s, changed: %s", change, rendered(parse(changed), chat))
                        .isEqualTo(change.get(5).textValue());
                equal += sum.equals("error") ? 0 : 1;
            }
        }
        assertThat(equal).isGreaterThan(200);
        assertThat(refused).as("changes that only this library refuses").isLessThan(5);
    }

    /** Templates of models and libraries in DPO4J_DATA, known by their sha256. */
    @Test
    void publishedTemplatesAreThoseOfTransformers() {
        Map<String, Path> files = publishedFiles();
        GOLDEN.get("published").properties().forEach(template -> {
            Path file =
                    Objects.requireNonNull(files.get(template.getKey()), "no template of sha256 " + template.getKey());
            assertTexts(file.toString(), TestFiles.read(file), template.getValue());
        });
    }

    /** Those of llama.cpp's models/templates, which DPO4J_DATA need not have: put them into its chat-templates. */
    @Test
    void templatesOfLlamaCppAreThoseOfTransformers() {
        Map<String, Path> files = publishedFiles();
        int compared = 0;
        for (Map.Entry<String, JsonNode> template : GOLDEN.get("others").properties()) {
            Path file = files.get(template.getKey());
            if (file != null) {
                assertTexts(file.toString(), TestFiles.read(file), template.getValue());
                compared++;
            }
        }
        assumeThat(compared)
                .as("templates of llama.cpp below chat-templates of DPO4J_DATA")
                .isPositive();
    }

    /** The templates in DPO4J_DATA by the sha256 of their text. */
    private static Map<String, Path> publishedFiles() {
        Map<String, Path> all = new TreeMap<>();
        try (Stream<Path> files = Files.walk(TestFiles.real("chat-templates"))) {
            files.filter(path -> path.toString().endsWith(".jinja"))
                    .forEach(file -> all.put(sha256(TestFiles.read(file)), file));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return all;
    }

    /** Compares what a template makes of all conversations, a group of them at a time. */
    private static void assertTexts(String name, String source, JsonNode expected) {
        int size = GOLDEN.get("group").intValue();
        ChatTemplate template = parse(source);
        assertThat(expected.size() * size).isEqualTo(CHATS.size());
        for (int i = 0; i < expected.size(); i++) {
            StringBuilder sums = new StringBuilder();
            CHATS.subList(i * size, (i + 1) * size).forEach(chat -> sums.append(summed(template, chat)));
            assertThat(sum(sums + "\n[]"))
                    .as("%s, conversations %d to %d", name, i * size, (i + 1) * size - 1)
                    .isEqualTo(expected.get(i).textValue());
        }
    }
}
