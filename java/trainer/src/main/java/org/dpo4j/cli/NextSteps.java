package org.dpo4j.cli;

import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.dpo4j.export.GgufExport;
import org.dpo4j.model.Model;
import org.dpo4j.report.ForwardingListener;
import org.dpo4j.report.RunEnd;
import org.dpo4j.report.RunListener;
import org.dpo4j.report.RunStart;
import org.jspecify.annotations.Nullable;

/** Prints, when a run is complete, the commands that use its model in other programs. */
final class NextSteps extends ForwardingListener {
    private static final String TRANSFORMERS = "python -c 'import sys; from transformers import pipeline;"
            + " print(pipeline(\"text-generation\", sys.argv[1])(sys.argv[2])[0][\"generated_text\"])' %s \"Hello\"";

    private final PrintStream out;
    private @Nullable Path directory;

    NextSteps(RunListener listener, PrintStream out) {
        super(listener);
        this.out = out;
    }

    @Override
    public void started(RunStart start) {
        directory = start.directory();
        super.started(start);
    }

    @Override
    public void ended(RunEnd end) {
        super.ended(end);
        if (directory != null && end.status() == RunEnd.Status.COMPLETED) {
            lines(directory).forEach(out::println);
        }
    }

    /** A line for each program that can read the model or adapter; none if the directory lacks it, or a tokenizer. */
    static List<String> lines(Path model) {
        boolean isAdapter = Files.exists(model.resolve("adapter_config.json"));
        boolean hasTokenizer =
                Files.exists(model.resolve("tokenizer.json")) || Files.exists(model.resolve("tokenizer.model"));
        if (!hasTokenizer || !isAdapter && !Files.exists(model.resolve("config.json"))) {
            return List.of();
        }
        String name = quoted(model.toString());
        List<String> lines = new ArrayList<>(List.of(
                isAdapter ? "the adapter in other programs:" : "the model in other programs:",
                "  transformers  " + TRANSFORMERS.formatted(name) + (isAdapter ? "  (with peft installed)" : ""),
                "  vLLM          vllm serve " + (isAdapter ? withAdapter(model, name) : name) + "  (not tried)"));
        if (GgufExport.isPossible(model)) {
            String file = quoted(model.resolve("model.gguf").toString());
            lines.add("  llama.cpp     ./dpo4j export " + name + " " + file + " && llama-cli -m " + file
                    + "  (tried with java-llama.cpp instead of llama-cli)");
            lines.add("  Ollama        as for llama.cpp, then: echo FROM " + file
                    + " > Modelfile && ollama create my-model -f Modelfile  (not tried)");
        }
        return lines;
    }

    private static String withAdapter(Path adapter, String name) {
        return quoted(Model.baseDirectory(adapter).toString()) + " --enable-lora --lora-modules tuned=" + name;
    }

    /** A word for a shell. */
    private static String quoted(String word) {
        return word.matches("[\\w./+-]+") ? word : "'" + word.replace("'", "'\\''") + "'";
    }
}
