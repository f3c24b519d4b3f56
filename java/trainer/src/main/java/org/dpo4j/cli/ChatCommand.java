package org.dpo4j.cli;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import org.dpo4j.data.Tokenizer;
import org.dpo4j.data.chat.ChatTemplate;
import org.dpo4j.io.FileErrors;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.model.Generator;
import org.dpo4j.model.Model;
import org.dpo4j.model.family.GenerationDefaults;
import org.dpo4j.report.Console;
import org.dpo4j.train.DeviceOptions;
import org.dpo4j.train.HubOptions;
import org.dpo4j.train.LoadingReport;
import org.dpo4j.train.ModelOptions;
import org.dpo4j.train.SeedOptions;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code dpo4j chat}: a conversation with a model. */
@Command(
        name = "chat",
        description = "Talk to a model, through its chat template.",
        footer = {
            "",
            "A line of standard input is a message. /clear forgets the messages so far, /system TEXT sets the system"
                    + " message (without TEXT it removes it), /exit or Ctrl-D ends. // at the start of a message is /.",
            "Ctrl-C ends an answer, which stays in the conversation as far as it got.",
            "Answer i, counted from 0, is sampled with seed + i."
        },
        sortOptions = false)
final class ChatCommand implements Callable<Integer> {
    private static final int MAX_NEW_TOKENS = 1024;

    @Spec
    private CommandSpec command;

    @Mixin
    private final ModelOptions modelOptions = new ModelOptions();

    @Mixin
    private final HubOptions hub = new HubOptions();

    @Mixin
    private final DeviceOptions deviceOptions = new DeviceOptions();

    @Option(names = "--system", description = "System message, before all others; default none.")
    private @Nullable String system;

    @Option(
            names = "--chat_template",
            description = "File with a chat template in Jinja; default that of the model directory.")
    private @Nullable Path chatTemplate;

    @Mixin
    private final GenerationOptions generation = new GenerationOptions();

    @Mixin
    private final SeedOptions seeds = new SeedOptions(42);

    @Override
    public Integer call() {
        Output.require(command, "model_name_or_path", modelOptions.hasDirectory());
        generation.check();
        hub.fetch(modelOptions);
        GenerationDefaults defaults = generation.defaults(Model.baseDirectory(modelOptions.directory()));
        try (Console console = Console.errors();
                Device device = deviceOptions.open(Output::notice);
                Model model = Model.load(
                        modelOptions.directory(), device, modelOptions.storage(device), new LoadingReport(console));
                Generator generator = new Generator(model)) {
            model.packMatrices();
            int vocabulary = model.architecture().vocabSize();
            GenerationOptions.noticeEos(modelOptions.directory(), model.config());
            ChatTemplate template = template();
            GenerationOptions.Resolved options = generation.resolve(defaults, vocabulary, MAX_NEW_TOKENS);
            try (Tokenizer tokenizer = Tokenizer.load(modelOptions.tokenizerDirectory(), vocabulary)) {
                ChatSession session =
                        new ChatSession(generator, tokenizer, template, options, model.architecture(), seeds.seed());
                session.setSystem(system);
                console.close(); // of loading
                talk(session, Console.isInputTyped());
            }
        }
        return 0;
    }

    private ChatTemplate template() {
        Path directory = modelOptions.tokenizerDirectory();
        ChatTemplate template =
                chatTemplate == null ? ChatTemplate.find(directory) : ChatTemplate.read(chatTemplate, directory);
        if (template == null) {
            throw new Dpo4jException(directory + " has no chat template (chat_template.jinja, or chat_template in"
                    + " tokenizer_config.json), so its model was not trained on conversations; give chat_template, a"
                    + " file with one, or use generate");
        }
        return template;
    }

    private static void talk(ChatSession session, boolean isTyped) {
        PrintStream out = Output.standard();
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8.newDecoder()));
        try (AnswerSignal signal = new AnswerSignal()) {
            for (String line = read(in, isTyped); line != null; line = read(in, isTyped)) {
                String message = line.strip();
                if (message.equals("/exit")) {
                    return;
                }
                if (message.startsWith("/") && !message.startsWith("//")) {
                    obey(session, message);
                } else if (!message.isEmpty()) {
                    answer(session, message.replaceFirst("^//", "/"), out, signal, isTyped);
                }
                if (out.checkError()) {
                    throw new Dpo4jException(
                            "standard output cannot be written: the reader of the pipe has closed it, or"
                                    + " the disk is full");
                }
            }
            if (isTyped) {
                System.err.println();
            }
        }
    }

    private static @Nullable String read(BufferedReader in, boolean isTyped) {
        if (isTyped) {
            System.err.print("> ");
            System.err.flush();
        }
        try {
            return in.readLine();
        } catch (IOException e) {
            throw new Dpo4jException("standard input cannot be read: " + FileErrors.reason(e), e);
        }
    }

    private static void obey(ChatSession session, String message) {
        String[] words = message.split("\\s+", 2);
        switch (words[0]) {
            case "/clear" -> session.clear();
            case "/system" -> session.setSystem(words.length == 1 ? null : words[1]);
            default ->
                Output.notice("unknown command " + words[0]
                        + "; there are /clear, /system TEXT and /exit, and // begins a" + " message with /");
        }
    }

    private static void answer(
            ChatSession session, String message, PrintStream out, AnswerSignal signal, boolean isTyped) {
        signal.begin();
        try {
            String cut = session.answer(
                    message,
                    piece -> {
                        out.print(piece);
                        out.flush();
                    },
                    () -> signal.isGiven() || out.checkError());
            out.println();
            if (cut != null) {
                Output.notice("the answer was cut at " + cut);
            }
        } catch (Dpo4jException e) {
            if (!isTyped) {
                throw e;
            }
            Output.notice("error: " + e.getMessage());
        } finally {
            signal.end();
        }
    }
}
