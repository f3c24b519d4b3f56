package org.dpo4j.model;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Supplier;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.dpo4j.io.FileFormat;
import org.dpo4j.io.JsonFile;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;

/** Checks that a path is a Hugging Face model directory. Errors name what it is instead, and what to give. */
final class ModelDirectory {
    private static final String WANTED = "give a Hugging Face model directory, with config.json and model.safetensors";
    private static final String ADAPTER = "adapter_config.json";

    /** {@code name} or {@code owner/name}, as on the Hugging Face hub. */
    private static final Pattern HUB_ID = Pattern.compile("[\\w-][\\w.-]*(/[\\w-][\\w.-]*)?");

    private static final Pattern PICKLED = Pattern.compile(".*\\.(bin|pt|pth|ckpt)(\\.index\\.json)?");
    private static final Pattern SHARDS = Pattern.compile(".*\\.safetensors(\\.index\\.json)?");
    /** Weights of TensorFlow, JAX, ONNX, NumPy, Rust, TensorFlow Lite and Core ML. */
    private static final Pattern FOREIGN =
            Pattern.compile(".*\\.(h5|keras|pb|msgpack|onnx|npz|ot|tflite|mlmodel)(\\.index\\.json)?");

    /** Files that are read if they exist. A link to nothing is a fault of the directory, not a file that it lacks. */
    private static final List<String> READ = List.of(
            "config.json",
            "generation_config.json",
            "model.safetensors",
            "model.safetensors.index.json",
            "tokenizer.json",
            "tokenizer_config.json");

    private static final int MAX_NAMES = 5;

    private ModelDirectory() {}

    /** The base model of an adapter's directory; any other path itself. Throws if the base model does not exist. */
    static Path base(Path given) {
        if (!Files.exists(given.resolve(ADAPTER))) {
            return given;
        }
        AdapterConfigJson config = AdapterConfigJson.read(given);
        config.config(); // a foreign kind of adapter is refused before its base model is sought
        try {
            Path base =
                    new NamedModel(NamedModel.Origin.ADAPTER, Path.of(config.base()), config.revision()).directory();
            if (!Files.exists(base)) {
                throw new Dpo4jException("this directory does not exist; put the model there");
            }
            return base;
        } catch (Dpo4jException e) {
            throw new Dpo4jException(
                    given + " is an adapter of " + config.base() + ": " + e.getMessage()
                            + "; or set base_model_name_or_path in its " + ADAPTER + " to the directory of that model",
                    e);
        }
    }

    /** Reads the base model of an adapter. Errors name the adapter too. */
    static <T> T ofBase(Path adapter, Supplier<T> read) {
        try {
            return read.get();
        } catch (Dpo4jException e) {
            throw new Dpo4jException("the base model of the adapter " + adapter + ": " + e.getMessage(), e);
        }
    }

    /** Throws if the path is not a directory, or the directory holds something other than a model. */
    static void check(Path given) {
        refuseDanglingLink(given);
        if (!Files.exists(given)) {
            throw new Dpo4jException(absent(given));
        }
        if (!Files.isDirectory(given)) {
            throw new Dpo4jException(file(given));
        }
        READ.forEach(name -> refuseDanglingLink(given.resolve(name)));
        if (Files.exists(given.resolve(ADAPTER))) {
            throw new Dpo4jException(given + " is an adapter, and cannot be the base model of another");
        }
        if (!Files.exists(given.resolve("config.json"))) {
            @Nullable String other = withoutConfig(given);
            if (other != null) {
                throw new Dpo4jException(other);
            }
        }
    }

    /** Throws if the path is a link to a file that does not exist, as when only the links of the hub's cache are copied. */
    private static void refuseDanglingLink(Path path) {
        if (Files.isSymbolicLink(path) && !Files.exists(path)) {
            throw new Dpo4jException(
                    path + " is a link to " + target(path) + ", which does not exist; download the model"
                            + " again, or copy its directory with the files that its links name (cp -rL)");
        }
    }

    private static Path target(Path link) {
        try {
            return Files.readSymbolicLink(link);
        } catch (IOException e) {
            throw JsonFile.unreadable(link, e);
        }
    }

    private static String absent(Path given) {
        String name = given.toString();
        if (name.matches("(https?|hf|s3|gs):/.*")) {
            return name + " is an address; give a directory, or the name of a model, owner/name, with --download";
        }
        if (!given.isAbsolute() && HUB_ID.matcher(name).matches()) {
            return name + " is not a directory here; if it is a model of the Hugging Face hub, download it first (hf"
                    + " download " + name + " --local-dir " + given.getFileName() + ") and give that directory";
        }
        return name + " does not exist; " + WANTED;
    }

    private static String file(Path given) {
        @Nullable Path parent = given.getParent();
        Path directory = parent == null ? Path.of(".") : parent;
        try {
            @Nullable FileFormat format = Files.isRegularFile(given) ? FileFormat.find(given) : null;
            if (format == FileFormat.SAFETENSORS || given.endsWith("config.json")) {
                return given + " is a file; give the directory that holds it, " + directory;
            }
            if (format == FileFormat.GGUF) {
                return gguf(given.toString());
            }
            if (format == FileFormat.PICKLE || format == FileFormat.PYTORCH) {
                return format.refuseModelFile(given);
            }
            String what = format == null ? "a file" : format.description();
            return given + " is " + what + "; " + WANTED;
        } catch (IOException e) {
            throw JsonFile.unreadable(given, e);
        }
    }

    private static String gguf(String what) {
        return what
                + " is a GGUF file of llama.cpp, which is not supported; give the Hugging Face directory that it was"
                + " made from";
    }

    /** The error for a directory without config.json that holds something other than a model; null if it may be one. */
    private static @Nullable String withoutConfig(Path given) {
        List<Path> inside = list(given);
        for (Path file : inside) {
            String name = file.getFileName().toString();
            if (name.endsWith(".gguf")) {
                return gguf(file.toString());
            }
            if (name.startsWith("adapter_model.")) {
                return given + " holds only the weights of a PEFT adapter (" + name + "), without " + ADAPTER
                        + "; merge it into its base model with PEFT (merge_and_unload), and give that directory";
            }
            if (name.equals("params.json") || name.startsWith("consolidated.")) {
                return given + " holds " + name
                        + ", a model in its authors' own format; give its Hugging Face version, with"
                        + " config.json and model.safetensors";
            }
            if (name.equals("snapshots")) {
                return given + " is a directory of the hub's cache; give one of " + names(given, list(file));
            }
        }
        List<Path> models = inside.stream()
                .filter(directory -> Files.exists(directory.resolve("config.json")))
                .toList();
        return models.isEmpty() ? null : given + " holds no config.json; give one of " + names(given, models);
    }

    /** The error for a directory that holds neither {@code model.safetensors} nor its index. */
    static Dpo4jException withoutWeights(Path directory) {
        List<Path> inside = list(directory);
        List<Path> pickles = matching(inside, PICKLED);
        String missing = directory + " holds neither model.safetensors nor model.safetensors.index.json";
        if (!pickles.isEmpty()) {
            return new Dpo4jException(missing + "; it holds " + names(directory, pickles)
                    + ", a pickle, which can run code and is never loaded; save the model with transformers'"
                    + " save_pretrained(safe_serialization=True)");
        }
        List<Path> shards = matching(inside, SHARDS);
        if (!shards.isEmpty()) {
            return new Dpo4jException(missing + "; it holds " + names(directory, shards)
                    + ": download the index if these are shards, or save the model with transformers'"
                    + " save_pretrained");
        }
        List<Path> foreign = matching(inside, FOREIGN);
        if (!foreign.isEmpty()) {
            return new Dpo4jException(missing + "; it holds " + names(directory, foreign)
                    + ", weights of another library; load the model from that format, and save it with"
                    + " transformers' save_pretrained(safe_serialization=True)");
        }
        List<Path> llamaCpp = inside.stream()
                .filter(file -> file.getFileName().toString().endsWith(".gguf"))
                .toList();
        return new Dpo4jException(
                llamaCpp.isEmpty()
                        ? missing + ", and no other weights; download the whole model, by its name with --download"
                        : gguf(llamaCpp.get(0).toString()));
    }

    private static List<Path> matching(List<Path> files, Pattern pattern) {
        return files.stream()
                .filter(file -> pattern.matcher(file.getFileName().toString()).matches())
                .toList();
    }

    private static List<Path> list(Path directory) {
        try (Stream<Path> files = Files.list(directory)) {
            return files.sorted().toList();
        } catch (IOException e) {
            throw JsonFile.unreadable(directory, e);
        }
    }

    private static String names(Path directory, List<Path> files) {
        List<String> names = files.stream()
                .limit(MAX_NAMES)
                .map(file -> directory.relativize(file).toString())
                .toList();
        String listed = String.join(", ", names);
        return files.size() <= MAX_NAMES ? listed : listed + " and " + (files.size() - MAX_NAMES) + " more";
    }
}
