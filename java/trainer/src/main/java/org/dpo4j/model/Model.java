package org.dpo4j.model;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.dpo4j.io.DirectoryFiles;
import org.dpo4j.io.JsonFile;
import org.dpo4j.io.OutputFile;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.model.family.Architecture;
import org.dpo4j.model.family.Families;
import org.dpo4j.model.family.ModelConfig;
import org.jspecify.annotations.Nullable;

/**
 * A model: its config, its weights on a device, the JSON files that it was loaded with, and an {@link Adapter} or none. With
 * an adapter its weights are frozen. The owner closes it before the device.
 */
public final class Model implements AutoCloseable {
    private final ModelConfig config;
    private final Parameters parameters;
    private final ParameterLayout layout;
    private final ObjectNode configJson;
    private final byte @Nullable [] generation;
    private final Map<String, SavedDtype> sources;
    /** Whether this closes the weights. */
    private final boolean isOwner;

    private @Nullable Adapter adapter;
    /** {@code adapter_config.json} of the adapter. */
    private @Nullable ObjectNode adapterJson;

    /**
     * @param generation content of {@code generation_config.json}
     * @param sources dtype of each tensor in the files that the model was loaded from; empty if it was not loaded
     * @param isOwner whether {@link #close} closes the weights
     */
    private Model(
            ModelConfig config,
            Parameters parameters,
            ParameterLayout layout,
            ObjectNode configJson,
            byte @Nullable [] generation,
            Map<String, SavedDtype> sources,
            boolean isOwner) {
        this.isOwner = isOwner;
        this.config = config;
        this.parameters = parameters;
        this.layout = layout;
        this.configJson = configJson;
        this.generation = generation;
        this.sources = sources;
    }

    /**
     * Loads a Hugging Face directory: {@code config.json} and {@code model.safetensors}, or the shards of {@code
     * model.safetensors.index.json}. Converts F32, F16 and BF16 tensors to {@code dtype}. EOS tokens of {@code
     * generation_config.json} replace those of the config, as in transformers' {@code generate}. Throws one error that
     * lists all tensors that are missing, unexpected or of another shape. The directory of a LoRA adapter (PEFT's {@code
     * adapter_config.json}) loads its base model with the adapter.
     */
    public static Model load(Path directory, Device device, DType dtype) {
        return load(directory, device, dtype, LoadProgress.NONE);
    }

    /** As the other method, and reports the bytes that are read. */
    public static Model load(Path directory, Device device, DType dtype, LoadProgress progress) {
        return load(directory, device, dtype, null, progress);
    }

    /**
     * As the other method. Quantises the matrices of layers as {@code fourBit} says, unless it is null, or bitsandbytes has
     * quantised them already: then its values are taken, to the bit.
     */
    public static Model load(
            Path directory, Device device, DType dtype, @Nullable FourBit fourBit, LoadProgress progress) {
        Path base = ModelDirectory.base(directory);
        return base == directory
                ? loadBase(directory, device, dtype, fourBit, progress)
                : loadAdapter(
                        directory,
                        ModelDirectory.ofBase(directory, () -> loadBase(base, device, dtype, fourBit, progress)));
    }

    private static Model loadAdapter(Path directory, Model model) {
        try {
            model.attach(
                    Adapter.load(directory, model.layout, model.config, model.parameters),
                    JsonFile.read(directory.resolve(AdapterConfigJson.FILE)));
            return model;
        } catch (RuntimeException | Error e) {
            model.close();
            throw e;
        }
    }

    private static Model loadBase(
            Path directory, Device device, DType dtype, @Nullable FourBit fourBit, LoadProgress progress) {
        ModelJson json = ModelJson.read(directory);
        try (ModelFiles files = ModelFiles.open(directory)) {
            ModelFiles.Loaded loaded = files.load(json.config(), device, dtype, fourBit, progress);
            return new Model(
                    json.config(),
                    loaded.parameters(),
                    loaded.layout(),
                    json.content(),
                    json.generation(),
                    loaded.dtypes(),
                    true);
        }
    }

    /** The {@code config.json} of a Hugging Face directory, or of an adapter's base model, without loading weights. */
    public static ModelConfig readConfig(Path directory) {
        Path base = ModelDirectory.base(directory);
        return base == directory
                ? ModelJson.config(base)
                : ModelDirectory.ofBase(directory, () -> ModelJson.config(base));
    }

    /**
     * SHA-256 of the files of a directory that the weights depend on: {@code config.json} and the safetensors files. Of an
     * adapter, those of its base model and its own.
     */
    public static String filesHash(Path directory) {
        return ModelFiles.hash(directory);
    }

    /** The directory of an adapter's base model; any other directory itself. Throws if the base model does not exist. */
    public static Path baseDirectory(Path directory) {
        return ModelDirectory.base(directory);
    }

    /**
     * A new model, initialised as in transformers: matrices from a normal distribution with standard deviation {@code
     * initializer_range}, times a factor of some families, norms with 1, biases with 0. The same seed gives the same
     * bits on any machine.
     */
    public static Model create(ModelConfig config, Device device, DType dtype, long seed) {
        ParameterLayout layout = new ParameterLayout(config);
        Parameters parameters = Parameters.allocate(layout, device, dtype);
        InitialWeights.upload(parameters, seed);
        return new Model(config, parameters, layout, config.json(), null, Map.of(), true);
    }

    /**
     * A model whose weights have sizes but no memory, to plan the memory of a run before the model is loaded. The
     * device need not support {@code dtype}.
     */
    public static Model planned(ModelConfig config, Device device, DType dtype) {
        return planned(config, device, dtype, null);
    }

    /** As the other method, with the matrices of layers in 4 bits unless {@code asked} is null, or as the config says. */
    public static Model planned(ModelConfig config, Device device, DType dtype, @Nullable FourBit asked) {
        FourBit fourBit = FourBit.find(config.json(), asked);
        ParameterLayout layout = new ParameterLayout(config, fourBit != null);
        Parameters parameters = Parameters.planned(layout, device, dtype);
        if (fourBit != null) {
            parameters.with(FourBitWeights.planned(layout, device, dtype, fourBit));
        }
        return new Model(config, parameters, layout, config.json(), null, Map.of(), true);
    }

    /** The content of {@code config.json}, with the EOS tokens of {@code generation_config.json}. */
    public ModelConfig config() {
        return config;
    }

    /** Sizes and traits of the decoder. */
    public Architecture architecture() {
        return config.architecture();
    }

    /** The weights of the model, without those of its adapter. */
    public Parameters parameters() {
        return parameters;
    }

    /** The weights that are trained: those of the adapter, or of the model if it has none. */
    public Parameters trained() {
        return adapter == null ? parameters : adapter.parameters();
    }

    /** The adapter; null if there is none. */
    public @Nullable Adapter adapter() {
        return adapter;
    }

    /** What blocks compute with. */
    Weights weights() {
        return new Weights(parameters, layout, adapter);
    }

    /**
     * Adds a new LoRA adapter, which changes nothing before it is trained, and freezes the weights of the model. A {@link
     * TrainingModel}, {@link ScoringModel} or {@link Generator} that exists already does not use it.
     *
     * @param base what {@code adapter_config.json} names as the base model; null if the model has no directory
     * @param seed of the initial values of A
     */
    public void addAdapter(LoraConfig lora, @Nullable AdapterBase base, long seed) {
        if (adapter != null) {
            throw new Dpo4jException("the model has an adapter already; merge it into its base model first");
        }
        Adapter added = parameters.isPlanned()
                ? Adapter.planned(layout, config, lora, device(), parameters.dtype())
                : Adapter.create(layout, config, lora, parameters, seed);
        attach(added, AdapterConfigJson.write(lora, base, added.modules(), added.isTransposed()));
    }

    private void attach(Adapter added, ObjectNode json) {
        adapter = added;
        adapterJson = json;
    }

    /**
     * The model as it is before training: with a new adapter the same weights without it, to be closed before this. Otherwise
     * a copy.
     */
    public Model initialCopy() {
        if (adapter == null) {
            return copy();
        }
        Model shared = new Model(config, parameters, layout, configJson, generation, sources, false);
        if (!adapter.isNew()) {
            shared.attach(adapter.copy(), adapterJson());
        }
        return shared;
    }

    /** Whether it has an adapter that was not loaded, so that the model without it is the model before training. */
    public boolean isAdapterNew() {
        return adapter != null && adapter.isNew();
    }

    /** {@code lora_dropout} of the adapter's config, which is not applied; 0 without an adapter. */
    public double adapterDropout() {
        return adapterJson == null ? 0 : adapterJson.path("lora_dropout").asDouble(0);
    }

    /** Bytes of the weights, with those of the adapter. */
    public long bytes() {
        return parameters.bytes() + (adapter == null ? 0 : adapter.parameters().bytes());
    }

    /** Bytes of the weights of an {@link #initialCopy}, beside those of this. */
    public long initialCopyBytes() {
        return adapter == null
                ? bytes()
                : adapter.isNew() ? 0 : adapter.parameters().bytes();
    }

    /**
     * Stores the matrices of layers in the order in which products of this device read them, in place, if it has such an
     * order ({@link Device#hasPanels}). Then generation is faster and has the same bits. Scoring works too. Weights cannot be read, copied, saved,
     * trained or merged until {@link #unpackMatrices}. No pass may be queued or running.
     */
    public void packMatrices() {
        device().synchronize();
        parameters.packMatrices(layout.projections());
    }

    /**
     * Says why a forward pass gave NaN or infinity, and what to do about it. Reads all weights. To read packed matrices, it calls
     * {@link #unpackMatrices}.
     */
    public String explainNotFinite() {
        unpackMatrices();
        return WeightCheck.explain(parameters, adapter == null ? null : adapter.parameters());
    }

    /** Stores the matrices by rows again. */
    public void unpackMatrices() {
        device().synchronize();
        parameters.unpackMatrices();
    }

    /** Adds the product of the adapter's matrices to the weights, and removes the adapter. Waits for queued work. */
    public void mergeAdapter() {
        if (adapter == null) {
            throw new Dpo4jException("the model has no adapter to merge");
        }
        if (parameters.isFourBit()) {
            throw new Dpo4jException(
                    "the base model is stored in 4 bits, to which nothing can be added; name the model that"
                            + " it was quantised from as base_model_name_or_path in adapter_config.json");
        }
        parameters.requireRows();
        adapter.merge(parameters, layout);
        device().synchronize();
        adapter.close();
        adapter = null;
        adapterJson = null;
    }

    private ObjectNode adapterJson() {
        return Objects.requireNonNull(adapterJson);
    }

    public Device device() {
        return parameters.device();
    }

    /** A copy with its own weights, to be closed by the caller; for example as a reference. */
    public Model copy() {
        Model copy = new Model(config, parameters.copy(), layout, configJson, generation, sources, true);
        if (adapter != null) {
            copy.attach(adapter.copy(), adapterJson());
        }
        return copy;
    }

    /** As {@link #save(Path, SaveFormat)}, with all tensors in one dtype. */
    public void save(Path directory, DType dtype) {
        save(directory, SaveFormat.in(dtype));
    }

    /**
     * Writes the weights, {@code config.json} with every key of the original, and {@code generation_config.json} if there
     * was one. Of a model with an adapter, writes only the adapter, as PEFT does. First all files are written into a temporary directory, then they replace those of an earlier model. So
     * no file is incomplete, and a symbolic link is replaced, not followed. Creates the directory if it does not exist, and
     * deletes it again if this throws. Waits for queued work.
     */
    public void save(Path directory, SaveFormat format) {
        save(directory, format, writing -> {});
    }

    /** As {@link #save(Path, SaveFormat)}, with more files, which appear together with the model. */
    public void save(Path directory, SaveFormat format, CompleteModel.MoreFiles more) {
        long bytes = savedBytes(format).stream().mapToLong(Long::longValue).sum();
        CompleteModel.write(directory, bytes, writing -> {
            writeFiles(writing, format);
            more.write(writing);
        });
    }

    /**
     * Writes the files of {@link #save(Path, SaveFormat)} into an empty directory that nothing reads yet. The caller forces
     * them to the disk ({@link DirectoryFiles#forceTree}).
     */
    public void writeFiles(Path directory, SaveFormat format) {
        writer(format).write(directory);
        if (generation != null && adapter == null) {
            DirectoryFiles.write(directory.resolve(ModelJson.GENERATION_CONFIG), OutputFile.content(generation));
        }
    }

    /**
     * Replaces the trained weights by those in a directory that {@link #writeFiles} wrote. They are the same bits if it wrote
     * the dtype of the parameters.
     */
    public void replaceWeights(Path directory) {
        if (adapter != null) {
            AdapterFiles.upload(directory, adapter.layout(), adapter.parameters());
            return;
        }
        try (ModelFiles files = ModelFiles.open(directory)) {
            files.replace(config, layout, parameters);
        }
    }

    /** Bytes of each file that {@link #writeFiles} writes. */
    public List<Long> savedBytes(SaveFormat format) {
        List<Long> bytes = new ArrayList<>(writer(format).bytes());
        if (generation != null && adapter == null) {
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
        if (adapter != null) {
            return ModelWriter.adapter(adapter, adapterJson(), format);
        }
        if (parameters.isFourBit()) {
            throw new Dpo4jException(
                    "a model in 4 bits is not saved; train an adapter (use_peft), which is saved without it");
        }
        String headName = Families.named(config.modelType()).headName();
        return ModelWriter.model(parameters, configJson, sources, headName, format);
    }

    @Override
    public void close() {
        if (adapter != null) {
            adapter.close();
        }
        if (isOwner) {
            parameters.close();
        }
    }
}
