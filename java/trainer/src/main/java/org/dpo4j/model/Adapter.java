package org.dpo4j.model;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.model.family.ModelConfig;
import org.dpo4j.model.family.ParameterKind;
import org.jspecify.annotations.Nullable;

/**
 * The LoRA adapters of a model ({@link LoraConfig}), whose own weights are then frozen. A {@link Model} owns its adapter
 * and closes it. The dtype is that of the model's weights.
 */
public final class Adapter implements AutoCloseable {
    private final LoraConfig config;
    private final AdapterLayout layout;
    private final Parameters parameters;
    private final Map<String, SavedDtype> sources;
    private final boolean isNew;

    private Adapter(
            LoraConfig config,
            AdapterLayout layout,
            Parameters parameters,
            Map<String, SavedDtype> sources,
            boolean isNew) {
        this.config = config;
        this.layout = layout;
        this.parameters = parameters;
        this.sources = sources;
        this.isNew = isNew;
    }

    /**
     * A new adapter, initialised as in PEFT: B is 0, so that it changes nothing, and A is uniform in {@code +-1 / sqrt(in)}.
     * The same seed gives the same bits on any machine.
     */
    static Adapter create(ParameterLayout base, ModelConfig model, LoraConfig config, Parameters like, long seed) {
        AdapterLayout layout = layout(base, model, config);
        Parameters parameters = Parameters.allocate(layout, like.device(), like.dtype());
        Staging staging = new Staging();
        SplittableRandom random = new SplittableRandom(seed);
        for (ParameterTensor tensor : layout.tensors()) {
            boolean isA = tensor.name().endsWith(".lora_A.weight");
            double bound = isA ? 1 / Math.sqrt(tensor.placement().columns().size()) : 0;
            staging.upload(parameters.flatWeights(), tensor.placement(), "F32", (begin, destination) -> {
                while (destination.hasRemaining()) {
                    destination.putFloat(isA ? (float) (bound * (2 * random.nextDouble() - 1)) : 0);
                }
            });
        }
        return new Adapter(config, layout, parameters, Map.of(), true);
    }

    /** The layout of a new adapter. Throws if a part of the config matches no module. */
    private static AdapterLayout layout(ParameterLayout base, ModelConfig model, LoraConfig config) {
        AdapterLayout layout = new AdapterLayout(base, model, config);
        config.requireMatches(layout.ranks().keySet());
        return layout;
    }

    /** An adapter with sizes but no memory. */
    static Adapter planned(ParameterLayout base, ModelConfig model, LoraConfig config, Device device, DType dtype) {
        AdapterLayout layout = layout(base, model, config);
        return new Adapter(config, layout, Parameters.planned(layout, device, dtype), Map.of(), true);
    }

    /** Loads the adapter in a directory. Throws one error with all differences to the model. */
    static Adapter load(Path directory, ParameterLayout base, ModelConfig model, Parameters like) {
        LoraConfig config = AdapterConfigJson.read(directory).config();
        AdapterLayout layout = AdapterFiles.layout(directory, base, model, config);
        Parameters parameters = Parameters.allocate(layout, like.device(), like.dtype());
        try {
            Map<String, SavedDtype> sources = AdapterFiles.upload(directory, layout, parameters);
            return new Adapter(config, layout, parameters, sources, false);
        } catch (RuntimeException | Error e) {
            parameters.close();
            throw e;
        }
    }

    /** A copy with its own weights. */
    Adapter copy() {
        return new Adapter(config, layout, parameters.copy(), sources, isNew);
    }

    public LoraConfig config() {
        return config;
    }

    /** The matrices A and B, under PEFT's names. */
    public Parameters parameters() {
        return parameters;
    }

    /** Whether it was created, not loaded: then it changed nothing before it was trained. */
    boolean isNew() {
        return isNew;
    }

    AdapterLayout layout() {
        return layout;
    }

    /** The last parts of the names of the modules that it adapts, as {@code target_modules} lists them. */
    List<String> modules() {
        return config.targets() instanceof LoraTargets.Named named
                ? named.names()
                : layout.ranks().keySet().stream()
                        .map(module -> module.substring(module.lastIndexOf('.') + 1))
                        .distinct()
                        .sorted()
                        .toList();
    }

    /** Whether the model's files hold its matrices as [in, out]. */
    boolean isTransposed() {
        return layout.isTransposed();
    }

    /** Dtype of each tensor in the file that it was loaded from; empty if it is new. */
    Map<String, SavedDtype> sources() {
        return sources;
    }

    /** The adapters of a projection; null if it has none. */
    @Nullable
    LowRank lowRank(ParameterKind projection, int layer) {
        AdapterLayout.@Nullable Placed placed = layout.placed(projection, layer);
        return placed == null ? null : new LowRank(parameters, placed.a(), placed.targets());
    }

    /** Max of {@link LowRank#width} over all projections. */
    int maxWidth() {
        return layout.all().values().stream()
                .mapToInt(AdapterLayout.Placed::width)
                .max()
                .orElse(0);
    }

    /** Queues {@code W += scale B A} for all targets, in the dtype of {@code base}. */
    void merge(Parameters base, ParameterLayout layoutOfBase) {
        layout.all()
                .forEach((key, placed) -> new LowRank(parameters, placed.a(), placed.targets())
                        .merge(base.weight(layoutOfBase.parameter(key.projection(), key.layer()))));
    }

    @Override
    public void close() {
        parameters.close();
    }
}
