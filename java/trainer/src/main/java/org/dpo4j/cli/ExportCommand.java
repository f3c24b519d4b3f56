package org.dpo4j.cli;

import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.dpo4j.export.GgufExport;
import org.dpo4j.io.gguf.GgufType;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.model.Model;
import org.dpo4j.model.NamedModel;
import org.dpo4j.report.Console;
import org.dpo4j.train.HubOptions;
import org.dpo4j.train.LoadingReport;
import org.dpo4j.train.ModelDownload;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code dpo4j export}: writes a model for another program. */
@Command(
        name = "export",
        description = "Write a model as a GGUF file, which llama.cpp, Ollama and others read.",
        footer = {
            "",
            "MODEL is a Hugging Face directory with its tokenizer, such as the output_dir of a run, or the name of a model in the"
                    + " hub's cache. OUTPUT must not exist.",
            "The file has the keys and tensors that llama.cpp's convert_hf_to_gguf.py writes, with tokenizer and chat"
                    + " template. An adapter is merged into its base model first, in a directory beside OUTPUT that is deleted"
                    + " again. Families: Llama, Mistral, Qwen2, Qwen3, Gemma 2, Gemma 3 (text). The gpu is not used."
        },
        sortOptions = false)
final class ExportCommand implements Callable<Integer> {
    /** Formats of files. */
    enum Format {
        GGUF;

        @Override
        public String toString() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    /** Types of matrices. */
    enum Dtype {
        F16(GgufType.F16),
        BF16(GgufType.BF16),
        F32(GgufType.F32),
        Q8_0(GgufType.Q8_0);

        private final GgufType type;

        Dtype(GgufType type) {
            this.type = type;
        }

        @Override
        public String toString() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    @Parameters(
            paramLabel = "MODEL OUTPUT",
            arity = "0..*",
            description = "The model's directory, and the file to write.")
    private @Nullable List<Path> paths;

    @Option(names = "--format", description = "Format of the file: gguf, the default.")
    private Format format = Format.GGUF;

    @Option(
            names = "--dtype",
            description = "Type of matrices: f16, bf16, f32 or q8_0 (8 bits in blocks of 32); default"
                    + " ${DEFAULT-VALUE}. Vectors are f32.")
    private Dtype dtype = Dtype.F16;

    @Option(
            names = "--model_revision",
            description = "Branch, tag or commit of MODEL, if that is a name; default main.")
    private @Nullable String modelRevision;

    @Mixin
    private final HubOptions hub = new HubOptions();

    @Override
    public Integer call() {
        if (paths == null || paths.size() != 2) {
            throw new Dpo4jException("give two paths: the model's directory, and the file to write");
        }
        NamedModel given = new NamedModel(NamedModel.Origin.MODEL, paths.get(0), modelRevision);
        Path output = paths.get(1);
        GgufExport.checkNew(output);
        hub.fetch(remote -> ModelDownload.all(given, remote));
        Path model = given.directory();
        GgufExport.Written written;
        try (Console console = Console.errors()) {
            boolean isAdapter = !Model.baseDirectory(model).equals(model);
            written = isAdapter ? writeMerged(model, output, console) : write(model, output, console);
        }
        written.notices().forEach(Output::notice);
        Output.notice(String.format(
                Locale.ROOT,
                "%s: %s, %,d tensors, matrices in %s, %,d bytes",
                output,
                format,
                written.tensors(),
                dtype,
                written.bytes()));
        return 0;
    }

    private GgufExport.Written write(Path model, Path output, Console console) {
        return GgufExport.write(model, output, dtype.type, new LoadingReport(console, "MB written"));
    }

    /** Errors name the adapter, because the merged model is deleted. */
    private GgufExport.Written writeMerged(Path adapter, Path output, Console console) {
        try (MergedModel merged = MergedModel.make(adapter, output, console)) {
            try {
                return write(merged.directory(), output, console);
            } catch (Dpo4jException e) {
                String message = String.valueOf(e.getMessage());
                throw new Dpo4jException(message.replace(merged.directory().toString(), adapter.toString()), e);
            }
        }
    }
}
