package org.dpo4j.model;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import org.dpo4j.io.DirectoryFiles;
import org.dpo4j.io.FileErrors;
import org.dpo4j.io.JsonFile;
import org.dpo4j.io.OutputFile;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.model.family.Architecture;
import org.dpo4j.model.family.ConfigJson;
import org.dpo4j.model.family.Families;
import org.dpo4j.model.family.ModelConfig;
import org.jspecify.annotations.Nullable;

/**
 * A model: its config, its weights on a device, and the JSON files that it was loaded with. The owner closes it before
 * the device.
 */
public final class Model implements AutoCloseable {
    static final String CONFIG = "config.json";
    private static final String GENERATION_CONFIG = "generation_config.json";

    private final ModelConfig config;
    private final Parameters parameters;
    private final ObjectNode configJson;
    private final byte @Nullable [] generation;
    private final Map<String, SavedDtype> sources;

    /**
     * @param generation content of {@code generation_config.json}
     * @param sources dtype of each tensor in the files that the model was loaded from; empty if it was not loaded
     */
    private Model(
            ModelConfig config,
            Parameters parameters,
            ObjectNode configJson,
            byte @Nullable [] generation,
            Map<String, SavedDtype> sources) {
        this.config = config;
        this.parameters = parameters;
        this.configJson = configJson;
        this.generation = generation;
        this.sources = sources;
    }

    /**
     * Loads a Hugging Face directory: {@code config.json} and {@code model.safetensors}, or the shards of {@code
     * model.safetensors.index.json}. Converts F32, F16 and BF16 tensors to {@code dtype}. EOS tokens of {@code
     * generation_config.json} replace those of the config, as in transformers' {@code generate}. Throws one error that
     * lists all tensors that are missing, unexpected or of another shape.
     */
    public static Model load(Path directory, Device device, DType dtype) {
        return load(directory, device, dtype, LoadProgress.NONE);
    }

    /** As the other method, and reports the bytes that are read. */
    public static Model load(Path directory, Device device, DType dtype, LoadProgress progress) {
        ModelDirectory.check(directory);
        Path configFile = directory.resolve(CONFIG);
        ObjectNode configJson = JsonFile.read(configFile);
        ModelConfig config = Families.read(configJson, configFile.toString());
        Path generationFile = directory.resolve(GENERATION_CONFIG);
        byte @Nullable [] generation = Files.exists(generationFile) ? JsonFile.bytes(generationFile) : null;
        if (generation != null) {
            ObjectNode json = JsonFile.read(generationFile, generation);
            config = config.withTokens(config.bosTokenId(), eosTokenIds(json, generationFile, config));
        }
        try (ModelFiles files = ModelFiles.open(directory)) {
            ModelFiles.Loaded loaded = files.load(config, device, dtype, progress);
            return new Model(config, loaded.parameters(), configJson, generation, loaded.dtypes());
        }
    }

    /** The {@code config.json} of a Hugging Face directory, without loading weights. */
    public static ModelConfig readConfig(Path directory) {
        ModelDirectory.check(directory);
        return Families.read(directory.resolve(CONFIG));
    }

    /** SHA-256 of the files of a directory that the weights depend on: {@code config.json} and the safetensors files. */
    public static String filesHash(Path directory) {
        try (ModelFiles files = ModelFiles.open(directory)) {
            return files.hash(directory.resolve(CONFIG));
        }
    }

    private static List<Integer> eosTokenIds(ObjectNode json, Path file, ModelConfig config) {
        try {
            return new ConfigJson(json).eosTokenIds(config.eosTokenIds());
        } catch (Dpo4jException e) {
            throw new Dpo4jException(file + ": " + e.getMessage(), e);
        }
    }

    /**
     * A new model, initialised as in transformers: matrices from a normal distribution with standard deviation {@code
     * initializer_range}, times a factor of some families, norms with 1, biases with 0. The same seed gives the same bits on any machine, by {@link SplittableRandom}
     * and Box-Muller (1958) in {@link StrictMath}.
     */
    public static Model create(ModelConfig config, Device device, DType dtype, long seed) {
        Parameters parameters = Parameters.allocate(new ParameterLayout(config), device, dtype);
        Staging staging = new Staging();
        SplittableRandom random = new SplittableRandom(seed);
        for (Parameter parameter : parameters.layout().parameters()) {
            Initialization initial = parameter.initialization();
            staging.upload(parameters.flatWeights(), parameter.placement(), "F32", (begin, destination) -> {
                while (destination.hasRemaining()) {
                    destination.putFloat(
                            initial.deviation() == 0
                                    ? initial.mean()
                                    : (float) (initial.mean() + initial.deviation() * normal(random)));
                }
            });
        }
        return new Model(config, parameters, config.json(), null, Map.of());
    }

    /**
     * A model whose weights have sizes but no memory, to plan the memory of a run before the model is loaded. The
     * device need not support {@code dtype}.
     */
    public static Model planned(ModelConfig config, Device device, DType dtype) {
        return new Model(
                config, Parameters.planned(new ParameterLayout(config), device, dtype), config.json(), null, Map.of());
    }

    private static double normal(SplittableRandom random) {
        double radius = StrictMath.sqrt(-2 * StrictMath.log(1 - random.nextDouble()));
        return radius * StrictMath.cos(2 * Math.PI * random.nextDouble());
    }

    /** The content of {@code config.json}, with the EOS tokens of {@code generation_config.json}. */
    public ModelConfig config() {
        return config;
    }

    /** Sizes and traits of the decoder. */
    public Architecture architecture() {
        return config.architecture();
    }

    public Parameters parameters() {
        return parameters;
    }

    public Device device() {
        return parameters.device();
    }

    /** A copy with its own weights, to be closed by the caller; for example as a reference. */
    public Model copy() {
        return new Model(config, parameters.copy(), configJson, generation, sources);
    }

    /** As {@link #save(Path, SaveFormat)}, with all tensors in one dtype. */
    public void save(Path directory, DType dtype) {
        save(directory, SaveFormat.in(dtype));
    }

    /**
     * Writes the weights, {@code config.json} with every key of the original, and {@code generation_config.json} if there
     * was one. First all files are written into a temporary directory, then they replace those of an earlier model. So
     * no file is incomplete, and a symbolic link is replaced, not followed. Creates the directory if it does not exist.
     * Waits for queued work.
     */
    public void save(Path directory, SaveFormat format) {
        Path writing = directory.resolve(".saving");
        try {
            OutputFile.makeDirectory(directory);
            try {
                DirectoryFiles.deleteTree(writing);
                Files.createDirectory(writing);
                writeFiles(writing, format);
                DirectoryFiles.forceTree(writing);
                CompleteModel.move(writing, directory);
            } finally {
                DirectoryFiles.deleteTree(writing);
            }
        } catch (IOException e) {
            throw new Dpo4jException(
                    directory + " cannot be written (" + FileErrors.reason(e) + "); choose another directory", e);
        }
    }

    /**
     * Writes the files of {@link #save(Path, SaveFormat)} into an empty directory that nothing reads yet. The caller forces
     * them to the disk ({@link DirectoryFiles#forceTree}).
     */
    public void writeFiles(Path directory, SaveFormat format) {
        writer(format).write(directory);
        if (generation != null) {
            DirectoryFiles.write(directory.resolve(GENERATION_CONFIG), OutputFile.content(generation));
        }
    }

    /**
     * Replaces the weights by those in a directory that {@link #writeFiles} wrote. They are the same bits if it wrote
     * the dtype of the parameters.
     */
    public void replaceWeights(Path directory) {
        try (ModelFiles files = ModelFiles.open(directory)) {
            files.replace(config, parameters);
        }
    }

    /** Bytes of each file that {@link #writeFiles} writes. */
    public List<Long> savedBytes(SaveFormat format) {
        List<Long> bytes = new ArrayList<>(writer(format).bytes());
        if (generation != null) {
            bytes.add((long) generation.length);
        }
        return bytes;
    }

    /**
     * The first weight that such a save would have to write in float16 and that is beyond its range, as {@code "NAME is
     * VALUE at [ROW, COLUMN]"}; null if there is none. Waits for queued work.
     */
    public @Nullable String firstBeyondFloat16(SaveFormat format) {
        return writer(format).firstBeyondFloat16();
    }

    /** The dtypes of the tensors of a save. */
    public Set<SavedDtype> savedDtypes(SaveFormat format) {
        return writer(format).dtypes();
    }

    private ModelWriter writer(SaveFormat format) {
        String headName = Families.named(config.modelType()).headName();
        return new ModelWriter(parameters, configJson, sources, headName, format);
    }

    @Override
    public void close() {
        parameters.close();
    }
}
