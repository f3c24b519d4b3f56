package org.dpo4j.data.chat;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.fail;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
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
                (ArrayNode) json.get("tools"),
                (ArrayNode) json.get("documents"),
                json.has("variables") ? (ObjectNode) json.get("variables") : JsonFile.object());
        return new Chat(conversation, End.valueOf(json.get("end").textValue()));
    }

    private static ChatTemplate parse(String source) {
        return ChatTemplate.parse(source, "the template", SPECIAL).withClock(NOON);
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

    /** The text and the spans as the script writes them; null if the template is refused. */
    private static @Nullable String rendered(String source, Chat chat) {
        try {
            Rendered rendered = parse(source).render(chat.conversation, chat.end);
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

    private static String summed(String source, Chat chat) {
        String rendered = rendered(source, chat);
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
        String[] expected = GOLDEN.get("templates").get(name).textValue().split(" ");
        String source = source(name);
        assertThat(expected).hasSameSizeAs(CHATS);
        for (int i = 0; i < expected.length; i++) {
            assertThat(summed(source, CHATS.get(i)))
                    .as("conversation %d: %s", i, rendered(source, CHATS.get(i)))
                    .isEqualTo(expected[i]);
        }
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
            String text = rendered(source, chat);
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
            String sum = summed(changed, chat);
            if (sum.equals("error") && !change.get(5).textValue().equals("error")) {
                refused++;
            } else {
                assertThat(sum)
                        .as("%s, changed: %s", change, rendered(changed, chat))
                        .isEqualTo(change.get(5).textValue());
                equal += sum.equals("error") ? 0 : 1;
            }
        }
        assertThat(equal).isGreaterThan(200);
        assertThat(refused).as("changes that only this library refuses").isLessThan(5);
    }

    /**
     * Templates of models and libraries in DPO4J_DATA, known by their sha256. All those of "published" are there. Of "others",
     * which are those of llama.cpp, any may be: put its models/templates into the directory to compare them.
     */
    @Test
    void publishedTemplatesAreThoseOfTransformers() throws IOException {
        Path directory = TestFiles.real("chat-templates");
        int known = 0;
        try (Stream<Path> files = Files.walk(directory)) {
            for (Path file :
                    files.filter(path -> path.toString().endsWith(".jinja")).toList()) {
                String source = Files.readString(file);
                JsonNode expected = GOLDEN.get("published").get(sha256(source));
                JsonNode other = GOLDEN.get("others").get(sha256(source));
                known += expected == null ? 0 : 1;
                if (expected != null || other != null) {
                    comparePublished(file, source, expected == null ? other : expected);
                }
            }
        }
        if (known < GOLDEN.get("published").size()) {
            fail(
                    "only %d of %d templates are in %s",
                    known, GOLDEN.get("published").size(), directory);
        }
    }

    private static void comparePublished(Path file, String source, JsonNode expected) {
        int size = CHATS.size() / expected.size();
        for (int i = 0; i < expected.size(); i++) {
            StringBuilder sums = new StringBuilder();
            CHATS.subList(i * size, (i + 1) * size).forEach(chat -> sums.append(summed(source, chat)));
            assertThat(sum(sums + "\n[]"))
                    .as("%s, conversations from %d", file, i * size)
                    .isEqualTo(expected.get(i).textValue());
        }
    }
}
