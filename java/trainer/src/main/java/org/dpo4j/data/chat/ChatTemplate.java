package org.dpo4j.data.chat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.ZonedDateTime;
import java.util.Map;
import java.util.TreeMap;
import org.dpo4j.data.chat.jinja.Output;
import org.dpo4j.data.chat.jinja.Position;
import org.dpo4j.data.chat.jinja.Template;
import org.dpo4j.data.chat.jinja.TemplateError;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;

/** Renders conversations to the text that transformers renders, or refuses. Several threads can use it at the same time. */
public final class ChatTemplate {
    /** How the text ends. */
    public enum End {
        /** Behind the last message. */
        AS_IS,
        /** Behind the header of an answer, which is to follow. */
        GENERATION_PROMPT,
        /** Behind the content of the last message, which is to be continued. */
        CONTINUE_FINAL_MESSAGE
    }

    private final String name;
    private final String source;
    private final Template template;
    private final Map<String, String> specialTokens;
    private final Clock clock;

    private ChatTemplate(
            String name, String source, Template template, Map<String, String> specialTokens, Clock clock) {
        this.name = name;
        this.source = source;
        this.template = template;
        this.specialTokens = specialTokens;
        this.clock = clock;
    }

    /**
     * The template of a model directory: {@code chat_template.jinja}, else chat_template of
     * {@code tokenizer_config.json}, a text or a list of named ones; null if there is none.
     */
    public static @Nullable ChatTemplate find(Path modelDirectory) {
        return find(TemplateFiles.read(modelDirectory), null);
    }

    /** The template of that name: {@code additional_chat_templates/<name>.jinja}, or that of the list; null if absent. */
    public static @Nullable ChatTemplate find(Path modelDirectory, String name) {
        return find(TemplateFiles.read(modelDirectory), name);
    }

    /** The texts of all templates of a model directory by name, not parsed. The one without a name is "default". */
    public static Map<String, String> sources(Path modelDirectory) {
        Map<String, String> texts = new TreeMap<>();
        TemplateFiles.read(modelDirectory).templates().forEach((name, source) -> texts.put(name, source.text()));
        return texts;
    }

    private static @Nullable ChatTemplate find(TemplateFiles files, @Nullable String name) {
        TemplateFiles.Source source = files.find(name);
        return source == null ? null : parse(source.text(), source.name(), files.specialTokens());
    }

    /**
     * Parses a template.
     *
     * @param name what errors call it
     * @param specialTokens variables such as bos_token, with their text
     */
    public static ChatTemplate parse(String source, String name, Map<String, String> specialTokens) {
        try {
            return new ChatTemplate(
                    name, source, Template.parse(source), Map.copyOf(specialTokens), Clock.systemDefaultZone());
        } catch (TemplateError e) {
            throw error(name, e, "correct the template, or pass another one");
        }
    }

    /** The template in a file, with the special tokens of a model directory. */
    public static ChatTemplate read(Path file, Path modelDirectory) {
        if (!Files.exists(file) || Files.isDirectory(file)) {
            throw new Dpo4jException(file + (Files.exists(file) ? " is a directory" : " does not exist")
                    + "; give a file with a chat template");
        }
        return parse(
                TemplateFiles.text(file),
                file.toString(),
                TemplateFiles.read(modelDirectory).specialTokens());
    }

    /** This template with another clock, which strftime_now reads. */
    public ChatTemplate withClock(Clock other) {
        return new ChatTemplate(name, source, template, specialTokens, other);
    }

    /** What errors call this template. */
    public String name() {
        return name;
    }

    /** The text of the template. */
    public String source() {
        return source;
    }

    /** Renders a conversation. */
    public Rendered render(Conversation conversation, End end) {
        try {
            TemplateInputs inputs = TemplateInputs.prepare(
                    conversation,
                    end == End.GENERATION_PROMPT,
                    end == End.CONTINUE_FINAL_MESSAGE,
                    source,
                    specialTokens);
            Output output = template.render(inputs.variables(), () -> ZonedDateTime.now(clock));
            return new Rendered(
                    inputs.cut(output.text()),
                    output.generated().stream()
                            .map(span -> new Rendered.Span(span.begin(), span.end()))
                            .toList());
        } catch (TemplateError e) {
            throw error(name, e, "change the conversation or the template");
        }
    }

    private static Dpo4jException error(String name, TemplateError error, String remedy) {
        Position position = error.position();
        String place = position == null ? "" : ", line " + position.line() + ", column " + position.column();
        return new Dpo4jException(name + place + ": " + error.text() + "; " + remedy, error);
    }
}
