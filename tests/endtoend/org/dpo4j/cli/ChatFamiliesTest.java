package org.dpo4j.cli;

import static java.util.Map.entry;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.dpo4j.data.Tokenizer;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Devices;
import org.dpo4j.model.Generator;
import org.dpo4j.model.Model;
import org.dpo4j.model.Sampling;
import org.dpo4j.model.TestFiles;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * {@code chat} with a small random model of every family, through a template in the style of that family's models. The
 * second turn of a conversation uses the keys of the first one. Its answers are those of a generator that reads the whole
 * text at once; this test states the text without the template.
 */
@Tag("device")
class ChatFamiliesTest {
    private static final int VOCABULARY = 61;
    private static final String CUT = "dpo4j: the answer was cut at max_new_tokens";

    /**
     * How models of a family write the system message "be", if they have one, and the messages "hi" and "so".
     *
     * @param template in Jinja; # is a line break
     * @param stop the special token that ends an answer
     * @param first the text before the first answer
     * @param second what follows it, with the first answer as %s, up to the second answer
     */
    private record Style(String template, String stop, String first, String second) {

        /** The text before the second answer. */
        String text(String answer) {
            return text() + second.replace('#', '\n').formatted(template.contains("trim") ? answer.strip() : answer);
        }

        String text() {
            return first.replace('#', '\n');
        }
    }

    private static final String LOOP = "{% for m in messages %}";
    private static final String END = "{% endfor %}{% if add_generation_prompt %}";
    private static final String GEMMA = "{{ '<start_of_turn>' + ('model' if m.role == 'assistant' else m.role) + '#' }}"
            + "{{ first if loop.first }}{{ m.content | trim + '<end_of_turn>#' }}" + END
            + "{{ '<start_of_turn>model#' }}{% endif %}";
    private static final Style CHATML = new Style(
            LOOP + "{{ '<|im_start|>' + m.role + '#' + m.content + '<|im_end|>#' }}" + END
                    + "{{ '<|im_start|>assistant#' }}{% endif %}",
            "<|im_end|>",
            "<|im_start|>system#be<|im_end|>#<|im_start|>user#hi<|im_end|>#<|im_start|>assistant#",
            "%s<|im_end|>#<|im_start|>user#so<|im_end|>#<|im_start|>assistant#");

    /** By model_type. Those of GPT-2, GPT-NeoX and StarCoder2 are of DialoGPT, and of tuned StableLM and StarCoder2. */
    private static final Map<String, Style> STYLES = Map.ofEntries(
            entry("qwen2", CHATML),
            entry("qwen3", CHATML),
            entry("smollm3", CHATML),
            entry("olmo3", CHATML),
            entry(
                    "llama",
                    new Style(
                            "{{ bos_token }}" + LOOP + "{{ '<|start_header_id|>' + m.role + '<|end_header_id|>##' }}"
                                    + "{{ m.content | trim + '<|eot_id|>' }}" + END
                                    + "{{ '<|start_header_id|>assistant<|end_header_id|>##' }}{% endif %}",
                            "<|eot_id|>",
                            "<s><|start_header_id|>system<|end_header_id|>##be<|eot_id|>"
                                    + "<|start_header_id|>user<|end_header_id|>##hi<|eot_id|>"
                                    + "<|start_header_id|>assistant<|end_header_id|>##",
                            "%s<|eot_id|><|start_header_id|>user<|end_header_id|>##so<|eot_id|>"
                                    + "<|start_header_id|>assistant<|end_header_id|>##")),
            entry(
                    "mistral",
                    new Style(
                            "{% set first = messages[0].content + '##' if messages[0].role == 'system' else '' %}"
                                    + "{{ bos_token }}{% for m in messages if m.role != 'system' %}{% if m.role == 'user' %}"
                                    + "{{ '[INST] ' + (first if loop.first else '') + m.content + ' [/INST]' }}{% else %}"
                                    + "{{ ' ' + m.content + eos_token }}{% endif %}{% endfor %}",
                            "</s>", "<s>[INST] be##hi [/INST]", " %s</s>[INST] so [/INST]")),
            entry(
                    "phi3",
                    new Style(
                            LOOP + "{{ '<|' + m.role + '|>#' + m.content + '<|end|>#' }}" + END
                                    + "{{ '<|assistant|>#' }}{% else %}{{ eos_token }}{% endif %}",
                            "<|end|>",
                            "<|system|>#be<|end|>#<|user|>#hi<|end|>#<|assistant|>#",
                            "%s<|end|>#<|user|>#so<|end|>#<|assistant|>#")),
            entry(
                    "olmo2",
                    new Style(
                            "{{ bos_token }}" + LOOP + "{{ '<|' + m.role + '|>#' + m.content }}"
                                    + "{{ eos_token if m.role == 'assistant' }}{{ '#' }}" + END
                                    + "{{ '<|assistant|>#' }}{% endif %}",
                            "</s>",
                            "<s><|system|>#be#<|user|>#hi#<|assistant|>#",
                            "%s</s>#<|user|>#so#<|assistant|>#")),
            entry(
                    "granite",
                    new Style(
                            LOOP
                                    + "{{ '<|start_of_role|>' + m.role + '<|end_of_role|>' + m.content + '<|end_of_text|>#' }}"
                                    + END + "{{ '<|start_of_role|>assistant<|end_of_role|>' }}{% endif %}",
                            "<|end_of_text|>",
                            "<|start_of_role|>system<|end_of_role|>be<|end_of_text|>#"
                                    + "<|start_of_role|>user<|end_of_role|>hi<|end_of_text|>#"
                                    + "<|start_of_role|>assistant<|end_of_role|>",
                            "%s<|end_of_text|>#<|start_of_role|>user<|end_of_role|>so<|end_of_text|>#"
                                    + "<|start_of_role|>assistant<|end_of_role|>")),
            entry(
                    "gemma2",
                    new Style(
                            "{{ bos_token }}{% if messages[0].role == 'system' %}"
                                    + "{{ raise_exception('System role not supported') }}{% endif %}" + LOOP + GEMMA,
                            "<end_of_turn>",
                            "<s><start_of_turn>user#hi<end_of_turn>#<start_of_turn>model#",
                            "%s<end_of_turn>#<start_of_turn>user#so<end_of_turn>#<start_of_turn>model#")),
            entry(
                    "gemma3_text",
                    new Style(
                            "{{ bos_token }}{% set first = messages[0].content + '##' if messages[0].role == 'system' %}"
                                    + "{% for m in messages if m.role != 'system' %}" + GEMMA,
                            "<end_of_turn>",
                            "<s><start_of_turn>user#be##hi<end_of_turn>#<start_of_turn>model#",
                            "%s<end_of_turn>#<start_of_turn>user#so<end_of_turn>#<start_of_turn>model#")),
            entry(
                    "gpt2",
                    new Style(
                            LOOP + "{{ m.content + eos_token }}{% endfor %}", "</s>", "be</s>hi</s>", "%s</s>so</s>")),
            entry(
                    "gpt_neox",
                    new Style(
                            LOOP + "{{ '<|' + m.role + '|>' + m.content }}" + END + "{{ '<|assistant|>' }}{% endif %}",
                            "</s>",
                            "<|system|>be<|user|>hi<|assistant|>",
                            "%s<|user|>so<|assistant|>")),
            entry(
                    "starcoder2",
                    new Style(
                            LOOP + "{% if m.role == 'assistant' %}{{ 'answer#' + m.content + eos_token }}"
                                    + "{% else %}{{ ('ask#' if m.role == 'user' else '') + m.content + '##' }}{% endif %}"
                                    + END + "{{ 'answer#' }}{% endif %}",
                            "</s>",
                            "be##ask#hi##answer#",
                            "%s</s>ask#so##answer#")));

    @TempDir
    Path directory;

    private static String type(Path model) {
        return TestFiles.json(model.resolve("config.json")).get("model_type").asText();
    }

    /** FamilyTest reads a directory of every family. */
    @Test
    void everyFamilyHasAStyle() throws IOException {
        try (Stream<Path> models = Files.list(TestFiles.golden("families"))) {
            assertThat(STYLES.keySet())
                    .isEqualTo(models.map(ChatFamiliesTest::type).collect(Collectors.toSet()));
        }
    }

    /** Windows are of 5 tokens, longrope changes its frequencies at 12, GPT-2 has a table of 24 positions. */
    @ParameterizedTest
    @ValueSource(
            strings = {
                "llama-llama3",
                "mistral",
                "qwen2",
                "qwen2-window",
                "qwen3",
                "smollm3",
                "granite",
                "olmo2",
                "olmo3",
                "gemma2",
                "gemma3",
                "phi3",
                "phi3-longrope",
                "gpt2",
                "gpt-neox",
                "starcoder2"
            })
    void answersAreThoseOfWholeTexts(String family) {
        Path model = TestFiles.copyModel("families/" + family, directory.resolve(family));
        Style style = Objects.requireNonNull(STYLES.get(type(model)));
        write(model, style);
        String system = "--system be";
        if (style.template.contains("System role not supported")) {
            chat(model, system).assertThatRunEndedWith().contains("System role not supported");
            system = "";
        }
        List<String> said = chat(model, system).assertSucceeded().out();
        boolean isCpu = System.getProperty("dpo4j.test.devices", "cpu").equals("cpu");
        try (Device device = Devices.open(isCpu ? "cpu" : "cuda");
                Model loaded = Model.load(model, device, DType.F32);
                Tokenizer tokenizer = Tokenizer.load(model, VOCABULARY)) {
            String first = answer(loaded, tokenizer, style, style.text(), 42);
            String second = answer(loaded, tokenizer, style, style.text(first), 43);
            assertThat(said).isEqualTo((first + "\n" + second + "\n").lines().toList());
            assertThat(first + second).isNotBlank();
        }
    }

    /** Templates of models and libraries, with a tokenizer of bytes. Each answer ends at max_new_tokens, so both are given. */
    @Test
    void publishedTemplatesTakeTwoTurns() throws IOException {
        Path model = ChatModel.write(directory.resolve("bytes"));
        TestFiles.edit(
                model.resolve("tokenizer_config.json"), "\"eos_token\"", "\"bos_token\":\"<|end|>\",\"eos_token\"");
        try (Stream<Path> templates = Files.walk(TestFiles.real("chat-templates"))) {
            assertThat(templates.filter(file -> file.toString().endsWith(".jinja")))
                    .isNotEmpty()
                    .allSatisfy(file -> assertThat(chat(model, "--chat_template " + file)
                                    .assertSucceeded()
                                    .err())
                            .containsExactly(CUT, CUT));
        }
    }

    /** What the model adds to a text of which no keys are kept: three tokens, none of which ends an answer. */
    private static String answer(Model model, Tokenizer tokenizer, Style style, String text, int seed) {
        Set<Integer> stops = new TreeSet<>(List.of(2, tokenizer.encode(style.stop)[0]));
        Generator.Options options = new Generator.Options(3, 3, new Sampling(1), stops);
        try (Generator generator = new Generator(model)) {
            Generator.Request request = new Generator.Request(tokenizer.encode(text), 1, seed);
            return tokenizer.decode(
                    generator.generate(List.of(request), options).get(0).get(0));
        }
    }

    private static Cli chat(Path model, String more) {
        InputStream before = System.in;
        try {
            System.setIn(new ByteArrayInputStream("hi\nso\n".getBytes(StandardCharsets.UTF_8)));
            return Cli.runOnDevice(
                    "chat --model_name_or_path %s --max_new_tokens 3 --min_new_tokens 3 --temperature 1 " + more,
                    model);
        } finally {
            System.setIn(before);
        }
    }

    private static void write(Path model, Style style) {
        List<String> special = new ArrayList<>(List.of("<pad>", "<s>", "</s>"));
        special.addAll(specialTokens(style));
        List<String> words = List.of("user", "assistant", "system", "model");
        String characters = "abcdefghijklmnopqrstuvwxyz \n0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
        ChatTokenizer.write(model, special, words, characters.substring(0, VOCABULARY - special.size() - words.size()));
        TestFiles.write(model.resolve("chat_template.jinja"), style.template.replace("#", "\\n"));
    }

    /** The texts in angle brackets of a style, and Mistral's in square ones, without BOS and EOS. */
    private static Collection<String> specialTokens(Style style) {
        Set<String> tokens = Pattern.compile("<[^<>]+>|\\[/?INST]")
                .matcher(style.first + style.second)
                .results()
                .map(MatchResult::group)
                .collect(Collectors.toCollection(TreeSet::new));
        tokens.removeAll(Set.of("<s>", "</s>"));
        return tokens;
    }
}
