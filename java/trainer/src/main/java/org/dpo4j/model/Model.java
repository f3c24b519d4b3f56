package org.dpo4j.model;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.dpo4j.io.FileErrors;
import org.dpo4j.io.JsonFile;
import org.dpo4j.io.OutputFile;
import org.dpo4j.io.SafeTensors;
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
    private static final String CONFIG = "config.json";
    private static final String GENERATION_CONFIG = "generation_config.json";

    private final ModelConfig config;
    private final Parameters parameters;
    private final ObjectNode configJson;
    private final @Nullable ObjectNode generationJson;

    private Model(
            ModelConfig config, Parameters parameters, ObjectNode configJson, @Nullable ObjectNode generationJson) {
        this.config = config;
        this.parameters = parameters;
        this.configJson = configJson;
        this.generationJson = generationJson;
    }

    /**
     * Loads a Hugging Face directory: {@code config.json} and {@code model.safetensors}, or the shards of {@code
     * model.safetensors.index.json}. Converts F32, F16 and BF16 tensors to {@code dtype}. EOS tokens of {@code
     * generation_config.json} replace those of the config, as in transformers' {@code generate}. Throws one error that
     * lists all tensors that are missing, unexpected or of another shape.
     */
    public static Model load(Path directory, Device device, DType dtype) {
        ModelDirectory.check(directory);
        Path configFile = directory.resolve(CONFIG);
        ObjectNode configJson = JsonFile.read(configFile);
        ModelConfig config = Families.read(configJson, configFile.toString());
        Path generationFile = directory.resolve(GENERATION_CONFIG);
        @Nullable ObjectNode generationJson = Files.exists(generationFile) ? JsonFile.read(generationFile) : null;
        if (generationJson != null) {
            config = config.withTokens(config.bosTokenId(), eosTokenIds(generationJson, generationFile, config));
        }
        try (ModelFiles files = ModelFiles.open(directory)) {
            return new Model(config, files.load(config, device, dtype), configJson, generationJson);
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
     * initializer_range}, norms with 1. The same seed gives the same bits on any machine, by {@link SplittableRandom}
     * and Box-Muller (1958) in {@link StrictMath}.
     */
    public static Model create(ModelConfig config, Device device, DType dtype, long seed) {
        Parameters parameters = Parameters.zeros(new ParameterLayout(config), device, dtype);
        Staging staging = new Staging();
        SplittableRandom random = new SplittableRandom(seed);
        for (Parameter parameter : parameters.layout().parameters()) {
            staging.upload(parameters.flatWeights(), parameter.placement(), "F32", (begin, destination) -> {
                while (destination.hasRemaining()) {
                    destination.putFloat(
                            switch (parameter.initialization()) {
                                case NORMAL -> (float) (config.initializerRange() * normal(random));
                                case ONES -> 1;
                            });
                }
            });
        }
        return new Model(config, parameters, config.json(), null);
    }

    /**
     * A model whose weights have sizes but no memory, to plan the memory of a run before the model is loaded. The
     * device need not support {@code dtype}.
     */
    public static Model planned(ModelConfig config, Device device, DType dtype) {
        return new Model(config, Parameters.planned(new ParameterLayout(config), device, dtype), config.json(), null);
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
        return new Model(config, parameters.copy(), configJson, generationJson);
    }

    /**
     * Writes {@code model.safetensors} in {@code dtype}, {@code config.json} with every key of the original, and {@code
     * generation_config.json} if there was one. Each file is written completely or not at all. Creates the directory if
     * it does not exist. Waits for queued work.
     */
    public void save(Path directory, DType dtype) {
        try {
            OutputFile.makeDirectory(directory);
        } catch (IOException e) {
            throw new Dpo4jException(
                    directory + " cannot be created (" + FileErrors.reason(e) + "); choose another directory", e);
        }
        saveWeights(directory.resolve("model.safetensors"), dtype);
        jsonFiles(dtype).forEach((name, json) -> JsonFile.write(directory.resolve(name), json));
    }

    /** Bytes of each file that {@link #save} writes. */
    public List<Long> savedBytes(DType dtype) {
        return Stream.concat(
                        Stream.of(SafeTensors.bytes(plans(dtype))),
                        jsonFiles(dtype).values().stream().map(JsonFile::bytes))
                .toList();
    }

    private Map<String, ObjectNode> jsonFiles(DType dtype) {
        ObjectNode json = configJson.deepCopy();
        String name = dtype == DType.F32 ? "float32" : "bfloat16";
        if (json.has("dtype")) { // transformers 5 renamed it
            json.put("dtype", name);
        }
        if (json.has("torch_dtype") || !json.has("dtype")) {
            json.put("torch_dtype", name);
        }
        return generationJson == null ? Map.of(CONFIG, json) : Map.of(CONFIG, json, GENERATION_CONFIG, generationJson);
    }

    private List<SafeTensors.Plan> plans(DType dtype) {
        return parameters.tensors().stream()
                .sorted(Comparator.comparing(ParameterTensor::name))
                .map(tensor -> new SafeTensors.Plan(tensor.name(), dtype.name(), tensor.shape()))
                .toList();
    }

    private void saveWeights(Path file, DType dtype) {
        Staging staging = new Staging();
        SafeTensors.write(file, plans(dtype), (name, offset, destination) -> {
            long first = offset / dtype.bytes();
            staging.download(
                    parameters.flatWeights(),
                    parameters.tensor(name).placement(),
                    first,
                    first + destination.remaining() / dtype.bytes(),
                    dtype,
                    (begin, piece) -> destination.put(piece));
        });
    }

    @Override
    public void close() {
        parameters.close();
    }
}
