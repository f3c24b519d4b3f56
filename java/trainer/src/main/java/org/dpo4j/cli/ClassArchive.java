package org.dpo4j.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.dpo4j.io.DirectoryFiles;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Devices;
import org.dpo4j.model.Model;
import org.dpo4j.model.family.Llama;

/**
 * Runs commands on a tiny model, so that the JVM loads the classes that they need. The launcher starts it with {@code
 * -XX:ArchiveClassesAtExit}: the JVM then writes these classes to an archive, from which later commands map them, instead of
 * reading and checking class files.
 */
public final class ClassArchive {
    private static final String TOKENIZER = """
            {"version": "1.0", "truncation": null, "padding": null, "added_tokens": [{"id": 1, "content": "</s>",
             "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true}],
             "normalizer": null, "pre_tokenizer": {"type": "WhitespaceSplit"}, "post_processor": null, "decoder": null,
             "model": {"type": "WordLevel", "unk_token": "<unk>",
             "vocab": {"<unk>": 0, "</s>": 1, "a": 2, "b": 3, "c": 4, "d": 5, "user": 6, "assistant": 7}}}
            """;

    private static final String TOKENIZER_CONFIG = """
            {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "</s>", "unk_token": "<unk>", "chat_template":
             "{% for message in messages %} {{ message['role'] }} {{ message['content'] }}{{ eos_token }}{% endfor %}"}
            """;

    private static final List<String> PAIRS = List.of(
            "{\"prompt\": \"a b\", \"chosen\": \" c\", \"rejected\": \" d\"}",
            "{\"prompt\": \"b a\", \"chosen\": \" d\", \"rejected\": \" c\"}");

    private static final List<String> CHATS = List.of(
            "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}, {\"role\": \"assistant\", \"content\": \"b\"}]}",
            "{\"messages\": [{\"role\": \"user\", \"content\": \"c\"}, {\"role\": \"assistant\", \"content\": \"d\"}]}");

    private ClassArchive() {}

    /** Exits with 1 if a command fails. */
    public static void main(String[] arguments) throws IOException {
        Path directory = Files.createTempDirectory("dpo4j-classes");
        boolean isDone;
        try {
            write(directory);
            isDone = run(directory);
        } finally {
            DirectoryFiles.deleteTree(directory);
        }
        System.exit(isDone ? 0 : 1);
    }

    /** Writes the model and rows. */
    static void write(Path directory) throws IOException {
        Path model = directory.resolve("model");
        try (Device device = Devices.cpu(1);
                Model random = Model.create(
                        Llama.config(8, 16, 24, 2, 2, 1, 64, true).withTokens(null, List.of(1)),
                        device,
                        DType.F32,
                        1)) {
            random.save(model, DType.F32);
        }
        Files.writeString(model.resolve("tokenizer.json"), TOKENIZER);
        Files.writeString(model.resolve("tokenizer_config.json"), TOKENIZER_CONFIG);
        Files.write(directory.resolve("pairs.jsonl"), PAIRS);
        Files.write(directory.resolve("chats.jsonl"), CHATS);
    }

    /** Runs commands on the files of {@link #write}. Returns whether all succeeded. */
    static boolean run(Path directory) {
        return train(directory, "dpo", "pairs.jsonl")
                && train(directory, "kto", "pairs.jsonl")
                && train(directory, "sft", "chats.jsonl")
                && command(directory, "generate", "--prompt=a b", "--max_new_tokens=2");
    }

    private static boolean train(Path directory, String command, String rows) {
        Path file = directory.resolve(rows);
        return command(
                directory,
                command,
                "--dataset_name=" + file,
                "--eval_dataset=" + file,
                "--eval_steps=2",
                "--output_dir=" + directory.resolve(command),
                "--max_steps=3",
                "--save_steps=2",
                "--logging_steps=1",
                "--per_device_train_batch_size=2");
    }

    private static boolean command(Path directory, String command, String... options) {
        List<String> words =
                new ArrayList<>(List.of(command, "--model_name_or_path=" + directory.resolve("model"), "--device=cpu"));
        words.addAll(List.of(options));
        return Main.run(words.toArray(String[]::new)) == 0;
    }
}
