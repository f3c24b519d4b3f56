package org.dpo4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayInputStream;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import org.dpo4j.data.Tokenizer;
import org.dpo4j.data.chat.ChatTemplate;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Devices;
import org.dpo4j.model.Generator;
import org.dpo4j.model.Model;
import org.dpo4j.model.Sampling;
import org.dpo4j.model.TestFiles;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code chat}: its answers are what {@code generate} makes of the text that the template renders. */
@Tag("device")
class ChatTest {
    private static final String TEMPLATE = "{{ bos_token }}{% for m in messages %}<{{ m.role }}>{{ m.content }}<end>"
            + "{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}";
    private static final List<String> SPECIAL =
            List.of("<pad>", "<s>", "</s>", "<user>", "<assistant>", "<system>", "<end>");

    @TempDir
    Path directory;

    private Path model;

    /** A random model with a tokenizer of letters; it samples, since the greedy text of a random model is one letter. */
    @BeforeEach
    void writeModel() {
        model = TestFiles.copyModel("llama-tiny", directory.resolve("model"));
        ChatTokenizer.write(model, SPECIAL, List.of(), "abcdefghijklmnopqrstuvwxyz /?");
        TestFiles.write(model.resolve("chat_template.jinja"), TEMPLATE);
    }

    private Cli chat(String input, String more, Object... values) {
        InputStream before = System.in;
        List<Object> all = new ArrayList<>(List.of(model));
        all.addAll(List.of(values));
        try {
            System.setIn(new ByteArrayInputStream(input.getBytes(StandardCharsets.UTF_8)));
            return Cli.runOnDevice("chat --model_name_or_path %s " + more, all.toArray());
        } finally {
            System.setIn(before);
        }
    }

    /** What {@code generate} adds to a rendered text, with the seed of that answer. */
    private String generated(String text, int seed, String more) {
        String line = "generate --json --model_name_or_path %s --prompt %s --seed %s --stop_token_ids 6 " + more;
        return Cli.runOnDevice(line, model, text, seed)
                .assertSucceeded()
                .json()
                .get(0)
                .get("completion")
                .textValue();
    }

    private static String turn(String role, String text) {
        return "<" + role + ">" + text + "<end>";
    }

    @Test
    void answersAreThoseOfTheRenderedConversation() {
        String options = "--max_new_tokens 5 --temperature 1";
        String begin = turn("user", "hi") + "<assistant>";
        String first = generated("<s>" + begin, 42, options);
        assertThat(first).isNotEmpty();
        String second = generated("<s>" + begin + first + "<end>" + turn("user", "why?") + "<assistant>", 43, options);
        Cli chat = chat("hi\n\n why? \n", options);
        assertThat(chat.assertSucceeded().out()).containsExactly(first, second);
        assertThat(second).isNotEqualTo(first);
    }

    @Test
    void commandsChangeTheConversation() {
        String options = "--max_new_tokens 5 --temperature 1";
        String system = "<s>" + turn("system", "be brief");
        String first = generated(system + turn("user", "/hi") + "<assistant>", 42, options);
        String second = generated(system + turn("user", "a") + "<assistant>", 43, options);
        String third = generated("<s>" + turn("system", "b c") + turn("user", "a") + "<assistant>", 44, options);
        String fourth = generated("<s>" + turn("user", "a") + "<assistant>", 45, options);
        Cli chat = chat(
                "//hi\n/clear\na\n/clear\n/system b c\na\n/clear\n/system\na\n/what\n/exit\nnot read\n",
                "--system %s " + options,
                "be brief");
        assertThat(chat.assertSucceeded().out()).containsExactly(first, second, third, fourth);
        assertThat(chat.err())
                .contains(
                        "dpo4j: unknown command /what; there are /clear, /system TEXT and /exit, and // begins a message"
                                + " with /");
    }

    /** The model's EOS is another token than the one that ends a turn, as in many base models. */
    @Test
    void anAnswerEndsAtTheTokenThatTheTemplateWritesBehindIt() {
        String options = "--max_new_tokens 20 --temperature 4";
        String text = "<s>" + turn("user", "hi") + "<assistant>";
        int seed = 0;
        while (endsAtTurn(text, seed, options) < 2) {
            seed++; // a seed with which the token is sampled after some others
            assertThat(seed).isLessThan(200);
        }
        String expected = generated(text, seed, options);
        assertThat(chat("hi\n", options + " --seed " + seed).assertSucceeded().out())
                .containsExactly(expected);
    }

    /** Number of tokens before the end of the turn; -1 if the text does not end so. */
    private int endsAtTurn(String text, int seed, String options) {
        var ids = Cli.runOnDevice(
                        "generate --json --model_name_or_path %s --prompt %s --seed %s --stop_token_ids 6 " + options,
                        model,
                        text,
                        seed)
                .json()
                .get(0)
                .get("completion_ids");
        return ids.get(ids.size() - 1).asInt() == 6 ? ids.size() - 1 : -1;
    }

    /** What a stopped answer has said so far is part of the conversation. */
    @Test
    void aStoppedAnswerStaysInTheConversation() {
        boolean isCpu = System.getProperty("dpo4j.test.devices", "cpu").equals("cpu");
        Generator.Options options = new Generator.Options(5, 0, new Sampling(1, 0, 1, 0, 1), Set.of());
        try (Device device = Devices.open(isCpu ? "cpu" : "cuda");
                Model loaded = Model.load(model, device, DType.F32);
                Generator generator = new Generator(loaded);
                Tokenizer tokenizer = Tokenizer.load(model, 37)) {
            ChatTemplate template = Objects.requireNonNull(ChatTemplate.find(model));
            ChatSession session = new ChatSession(
                    generator,
                    tokenizer,
                    template,
                    new GenerationOptions.Resolved(options, List.of()),
                    loaded.architecture(),
                    42);
            StringBuilder first = new StringBuilder();
            session.answer("hi", first::append, () -> first.length() >= 2);
            assertThat(first).hasSize(2);
            StringBuilder second = new StringBuilder();
            session.answer("why?", second::append, () -> false);
            String rendered = "<s>" + turn("user", "hi") + turn("assistant", first.toString()) + turn("user", "why?");
            assertThat(second.toString())
                    .isEqualTo(generated(rendered + "<assistant>", 43, "--max_new_tokens 5 --temperature 1"));
        }
    }

    @Test
    void aCutAnswerIsSaid() {
        assertThat(chat("hi", "--max_new_tokens 1 --stop_strings zzzz")
                        .assertSucceeded()
                        .err())
                .contains("dpo4j: the answer was cut at max_new_tokens");
    }

    @Test
    void aModelWithoutTemplateSaysWhatToGive() throws Exception {
        Files.delete(model.resolve("chat_template.jinja"));
        chat("hi\n", "")
                .assertError(model + " has no chat template (chat_template.jinja, or chat_template in"
                        + " tokenizer_config.json), so its model was not trained on conversations; give chat_template, a"
                        + " file with one, or use generate");
        Path file = TestFiles.write(directory.resolve("mine.jinja"), TEMPLATE);
        String options = "--max_new_tokens 5 --temperature 1";
        assertThat(chat("hi\n", "--chat_template %s " + options, file)
                        .assertSucceeded()
                        .out())
                .containsExactly(generated("<s>" + turn("user", "hi") + "<assistant>", 42, options));
        TestFiles.write(file, "{{ raise_exception('only tools') }}");
        chat("hi\n", "--chat_template %s", file).assertThatRunEndedWith().contains("mine.jinja", "only tools");
        TestFiles.write(file, "");
        chat("hi\n", "--chat_template %s", file)
                .assertError(
                        "the chat template writes nothing for the conversation; correct the template, or give another"
                                + " one with chat_template");
        chat("hi\n", "--chat_template %s", directory.resolve("none"))
                .assertError(directory.resolve("none") + " does not exist; give a file with a chat template");
    }

    @Test
    void aConversationThatIsTooLong() {
        chat("a".repeat(70) + "\n", "")
                .assertThatRunEndedWith()
                .isEqualTo("dpo4j: error: the conversation has 74 tokens, but must have at most 63 to leave room for an"
                        + " answer; shorten the message, or give /clear, which forgets the earlier ones");
    }

    @Test
    void anAnswerThatReachesTheLastPositionIsSaid() {
        assertThat(chat("a".repeat(57), "--stop_strings zzzz").assertSucceeded().err())
                .contains("dpo4j: the answer was cut at the model's last position, 64; /clear forgets the messages so"
                        + " far");
    }
}
