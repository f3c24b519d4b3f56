package org.dpo4j.model;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.dpo4j.io.FloatFormats;
import org.dpo4j.io.JsonFile;
import org.dpo4j.io.SafeTensors;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;

/** Writes the files of a model: weights and {@code config.json}; or those of its adapter. It also computes their sizes. */
final class ModelWriter {
    private final Parameters parameters;
    private final Map<String, List<SafeTensors.Plan>> weights;
    private final Map<String, ObjectNode> json;

    private ModelWriter(
            Parameters parameters, Map<String, List<SafeTensors.Plan>> weights, Map<String, ObjectNode> json) {
        this.parameters = parameters;
        this.weights = weights;
        this.json = json;
    }

    /**
     * Of a model.
     *
     * @param sources dtype of each tensor in the files that the model was loaded from; empty if it was not loaded
     * @param headName {@link org.dpo4j.model.family.Family#headName}
     */
    static ModelWriter model(
            Parameters parameters,
            ObjectNode configJson,
            Map<String, SavedDtype> sources,
            String headName,
            SaveFormat format) {
        List<SafeTensors.Plan> plans = plans(parameters, sources, format);
        Shards shards = Shards.divide(plans, headName, format.maxShardBytes());
        ObjectNode config = withDtype(configJson, plans);
        return new ModelWriter(
                parameters,
                shards.files(),
                shards.isSharded()
                        ? Map.of(ModelJson.CONFIG, config, CompleteModel.INDEX, shards.index())
                        : Map.of(ModelJson.CONFIG, config));
    }

    /** Of an adapter, in one file, as PEFT writes it. */
    static ModelWriter adapter(Adapter adapter, ObjectNode config, SaveFormat format) {
        List<SafeTensors.Plan> plans = plans(adapter.parameters(), adapter.sources(), format);
        return new ModelWriter(
                adapter.parameters(),
                Map.of(AdapterFiles.FILE, Shards.written(plans)),
                Map.of(AdapterConfigJson.FILE, config));
    }

    private static List<SafeTensors.Plan> plans(
            Parameters parameters, Map<String, SavedDtype> sources, SaveFormat format) {
        List<SafeTensors.Plan> plans = new ArrayList<>();
        SavedDtype inMemory = SavedDtype.stored(parameters.dtype());
        for (ParameterTensor tensor : parameters.tensors()) {
            SavedDtype dtype = format.dtype() == null ? sources.getOrDefault(tensor.name(), inMemory) : format.dtype();
            plans.add(new SafeTensors.Plan(tensor.name(), dtype.format(), tensor.shape()));
        }
        return plans;
    }

    /** The config with the tensors' dtype. If they have several, its own is kept, as it says what to load them in. */
    private static ObjectNode withDtype(ObjectNode source, List<SafeTensors.Plan> plans) {
        Set<String> formats = plans.stream().map(SafeTensors.Plan::dtype).collect(Collectors.toSet());
        ObjectNode json = source.deepCopy();
        if (formats.size() == 1) {
            String name = SavedDtype.stored(formats.iterator().next()).toString();
            if (json.has("dtype")) { // transformers 5 renamed it
                json.put("dtype", name);
            }
            if (json.has("torch_dtype") || !json.has("dtype")) {
                json.put("torch_dtype", name);
            }
        }
        return json;
    }

    /** The first weight that is saved in float16 and beyond its range, as {@code "NAME is VALUE at [ROW, COLUMN]"}. */
    @Nullable
    String firstBeyondFloat16() {
        Set<String> names = weights.values().stream()
                .flatMap(List::stream)
                .filter(plan -> plan.dtype().equals(SavedDtype.FLOAT16.format()))
                .map(SafeTensors.Plan::name)
                .collect(Collectors.toSet());
        List<ParameterTensor> tensors = parameters.tensors().stream()
                .filter(tensor -> names.contains(tensor.name()))
                .toList();
        return WeightCheck.firstBeyond(parameters, tensors, FloatFormats.MAX_FLOAT16);
    }

    /**
     * Writes the weights, with an index if they have several files, and the config. Throws before it writes if a weight is
     * beyond float16.
     */
    void write(Path directory) {
        String beyond = firstBeyondFloat16();
        if (beyond != null) {
            throw new Dpo4jException("weight " + beyond + ", beyond " + SavedDtype.FLOAT16_RANGE + "; save in float32");
        }
        Map<String, ParameterTensor> tensors = new HashMap<>();
        parameters.tensors().forEach(tensor -> tensors.put(tensor.name(), tensor));
        Staging staging = new Staging(parameters.tensors().stream()
                .mapToLong(ParameterTensor::count)
                .max()
                .orElse(0));
        ByteBuffer buffer = SafeTensors.chunk(
                weights.values().stream().flatMap(List::stream).toList(), Staging.BYTES);
        weights.forEach((file, plans) ->
                SafeTensors.write(directory.resolve(file), plans, buffer, (plan, offset, destination) -> {
                    DType dtype = SavedDtype.stored(plan.dtype()).storage();
                    long first = offset / dtype.bytes();
                    long end = first + destination.remaining() / dtype.bytes();
                    Placement tensor =
                            Objects.requireNonNull(tensors.get(plan.name())).placement();
                    staging.download(
                            parameters.flatWeights(),
                            tensor,
                            first,
                            end,
                            dtype,
                            (begin, piece) -> destination.put(piece));
                }));
        json.forEach((name, content) -> JsonFile.write(directory.resolve(name), content));
    }

    /** Bytes of each file. */
    List<Long> bytes() {
        List<Long> bytes = new ArrayList<>();
        weights.values().forEach(plans -> bytes.add(SafeTensors.bytes(plans)));
        json.values().forEach(content -> bytes.add(JsonFile.bytes(content)));
        return bytes;
    }

    /** Dtypes of the tensors. */
    Set<SavedDtype> dtypes() {
        return weights.values().stream()
                .flatMap(List::stream)
                .map(plan -> SavedDtype.stored(plan.dtype()))
                .collect(Collectors.toCollection(TreeSet::new));
    }
}
