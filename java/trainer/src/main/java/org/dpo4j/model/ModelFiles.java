package org.dpo4j.model;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.dpo4j.io.FloatFormats;
import org.dpo4j.io.JsonFile;
import org.dpo4j.io.SafeTensors;
import org.dpo4j.io.SafeTensorsHeader;
import org.dpo4j.io.Sha256;
import org.dpo4j.io.StoredTensor;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.model.family.Families;
import org.dpo4j.model.family.Family;
import org.dpo4j.model.family.ModelConfig;
import org.dpo4j.model.family.ParameterKind;
import org.jspecify.annotations.Nullable;

/** Reads the tensors of a Hugging Face directory from one safetensors file or from the shards that an index lists. */
final class ModelFiles implements AutoCloseable {
    /** A file name without a path, so that an index cannot name files in other directories. */
    private static final Pattern SHARD = Pattern.compile("\\w[\\w.-]*");

    private final Path directory;
    private final List<SafeTensors> files = new ArrayList<>();
    private final Map<String, StoredTensor> stored = new TreeMap<>();

    private ModelFiles(Path directory) {
        this.directory = directory;
    }

    static ModelFiles open(Path directory) {
        ModelFiles files = new ModelFiles(directory);
        try {
            files.openAll();
        } catch (RuntimeException e) {
            files.close();
            throw e;
        }
        return files;
    }

    private void openAll() {
        if (Files.exists(directory.resolve(CompleteModel.ONE))) {
            openFile(directory.resolve(CompleteModel.ONE));
        } else if (Files.exists(directory.resolve(CompleteModel.INDEX))) {
            openShards(JsonFile.read(directory.resolve(CompleteModel.INDEX)));
        } else {
            throw ModelDirectory.withoutWeights(directory);
        }
    }

    private void openFile(Path path) {
        SafeTensors file = SafeTensors.open(path);
        files.add(file);
        for (SafeTensorsHeader.Entry entry : file.entries().values()) {
            StoredTensor earlier = stored.put(entry.name(), new StoredTensor(file, entry));
            if (earlier != null) {
                throw new Dpo4jException("tensor " + entry.name() + " is in "
                        + earlier.file().file() + " and in " + path + "; one file must hold it");
            }
        }
    }

    private void openShards(ObjectNode index) {
        Map<String, String> shardOf = new LinkedHashMap<>();
        JsonNode map = index.path("weight_map");
        if (map.isMissingNode()) {
            throw withoutShards("has no weight_map");
        }
        if (!map.isObject() || map.isEmpty()) {
            throw withoutShards("has a weight_map that is " + (map.isObject() ? "empty" : "not an object"));
        }
        map.properties().forEach(field -> {
            if (!field.getValue().isTextual()) {
                throw withoutShards(
                        "places tensor " + field.getKey() + " in " + field.getValue() + ", which is not a file name");
            }
            shardOf.put(field.getKey(), field.getValue().textValue());
        });
        for (String shard : new TreeSet<>(shardOf.values())) {
            if (!SHARD.matcher(shard).matches()) {
                throw new Dpo4jException(directory.resolve(CompleteModel.INDEX) + " names the shard \"" + shard
                        + "\"; a file of the same directory is expected");
            }
            openFile(directory.resolve(shard));
        }
        shardOf.forEach((name, shard) -> {
            StoredTensor found = stored.get(name);
            if (found == null || !found.file().file().equals(directory.resolve(shard))) {
                throw new Dpo4jException(directory.resolve(CompleteModel.INDEX) + " places tensor " + name + " in "
                        + shard + ", which lacks it; download it again");
            }
        });
    }

    private Dpo4jException withoutShards(String fault) {
        return new Dpo4jException(directory.resolve(CompleteModel.INDEX) + " " + fault
                + "; it does not say which shard holds which tensor, so download it again");
    }

    /**
     * The stored tensors of the model's tensors.
     *
     * @param flat those of the flat buffer, in the model's order
     * @param fourBit those in 4 bits, by name
     */
    private record Matched(List<StoredTensor> flat, Map<String, FourBitSource> fourBit) {
        List<StoredTensor> ofFloats() {
            List<StoredTensor> all = new ArrayList<>(flat);
            fourBit.values().forEach(source -> {
                if (source instanceof FourBitSource.Dense dense) {
                    all.add(dense.tensor());
                }
            });
            return all;
        }
    }

    /**
     * The stored tensors of a model that is not quantised, in the order of {@code layout}. Throws one error that lists all
     * tensors that are missing, unexpected, or of another shape.
     */
    List<StoredTensor> match(ModelConfig config, ParameterLayout layout) {
        Map<String, StoredTensor> rest = bySavedNames(Families.named(config.modelType()));
        FourBitFiles fourBit = FourBitFiles.take(rest, null);
        if (fourBit.isUsed()) {
            throw new Dpo4jException(directory + " has 4-bit weights, which are not supported here; give the model that"
                    + " they were quantised from");
        }
        return match(config, layout, rest, fourBit).flat;
    }

    private Matched match(
            ModelConfig config, ParameterLayout layout, Map<String, StoredTensor> rest, FourBitFiles fourBit) {
        Family family = Families.named(config.modelType());
        List<ParameterTensor> tensors = layout.tensors();
        long embedding = layout.parameter(ParameterKind.EMBEDDING).offset();
        Set<String> names = Set.copyOf(rest.keySet());
        List<StoredTensor> flat = new ArrayList<>();
        List<String> wrong = new ArrayList<>();
        Matched matched = new Matched(flat, fourBit.match(layout, rest, wrong));
        for (ParameterTensor tensor : tensors) {
            StoredTensor found = rest.remove(tensor.name());
            if (config.architecture().isHeadTied() && tensor.placement().first() == embedding) {
                found = tie(found, rest.remove(family.headName()));
            }
            if (found == null) {
                wrong.add(tensor.name() + " is missing");
            } else {
                describe(tensor, found.entry(), wrong);
                flat.add(found);
            }
        }
        rest.forEach((name, found) -> {
            if (!family.isComputed(name)) {
                wrong.add(found.entry().name() + " is not part of the model");
            }
        });
        checkTypes(matched.ofFloats());
        if (!wrong.isEmpty()) {
            new TensorNames(
                            directory,
                            names,
                            Stream.concat(
                                            tensors.stream(),
                                            layout.fourBit().values().stream().flatMap(List::stream))
                                    .map(ParameterTensor::name)
                                    .toList(),
                            family.bodyPrefix())
                    .check();
            throw WeightsMismatch.error(directory, config, names, wrong, family.headName());
        }
        return matched;
    }

    /** The tensors by their names in the model. Throws if two of them have the same. */
    private Map<String, StoredTensor> bySavedNames(Family family) {
        Map<String, StoredTensor> tensors = new TreeMap<>();
        stored.forEach((name, tensor) -> {
            StoredTensor other = tensors.put(family.savedName(name), tensor);
            if (other != null) {
                throw new Dpo4jException(directory + ": " + other.entry().name() + " and " + name
                        + " are two names of one tensor; keep one of them");
            }
        });
        return tensors;
    }

    /** Throws one error with counts, not names, since usually all tensors have the same unsupported type. */
    private void checkTypes(List<StoredTensor> matched) {
        Map<String, Integer> others = new TreeMap<>();
        for (StoredTensor found : matched) {
            String type = found.entry().dtype();
            if (FloatFormats.bytes(type) == 0) {
                others.merge(type, 1, Integer::sum);
            }
        }
        if (!others.isEmpty()) {
            throw new Dpo4jException(directory + ": of " + matched.size() + " tensors, "
                    + others.entrySet().stream()
                            .map(type -> type.getValue() + " have the type " + type.getKey())
                            .collect(Collectors.joining(" and "))
                    + ", but only F32, BF16 and F16 are supported; save the model in one of these (model.float()"
                    + ".save_pretrained in transformers), without quantization");
        }
    }

    private static void describe(ParameterTensor tensor, SafeTensorsHeader.Entry entry, List<String> wrong) {
        if (!entry.shape().equals(tensor.shape())) {
            wrong.add(tensor.name() + " has the shape " + entry.shape() + " instead of " + tensor.shape());
        }
    }

    /**
     * The stored tensor of a tied embedding and head. Files may hold either or both. Throws if both exist and differ.
     */
    private @Nullable StoredTensor tie(@Nullable StoredTensor embedding, @Nullable StoredTensor head) {
        if (embedding == null || head == null) {
            return embedding == null ? head : embedding;
        }
        if (!isSame(embedding, head)) {
            throw new Dpo4jException(directory + ": " + embedding.entry().name() + " and "
                    + head.entry().name()
                    + " differ although config.json ties them; set tie_word_embeddings to false to keep both");
        }
        return embedding;
    }

    private static boolean isSame(StoredTensor a, StoredTensor b) {
        if (!a.entry().shape().equals(b.entry().shape())
                || !a.entry().dtype().equals(b.entry().dtype())) {
            return false;
        }
        ByteBuffer left = ByteBuffer.allocateDirect(Staging.BYTES);
        ByteBuffer right = ByteBuffer.allocateDirect(Staging.BYTES);
        long bytes = a.entry().end() - a.entry().begin();
        for (long offset = 0; offset < bytes; offset += Staging.BYTES) {
            int piece = (int) Math.min(Staging.BYTES, bytes - offset);
            a.file().read(a.entry(), offset, left.clear().limit(piece));
            b.file().read(b.entry(), offset, right.clear().limit(piece));
            if (!left.flip().equals(right.flip())) {
                return false;
            }
        }
        return true;
    }

    /**
     * Weights on a device.
     *
     * @param dtypes dtype of each tensor in the files, by its name in {@link Parameters}
     */
    record Loaded(Parameters parameters, ParameterLayout layout, Map<String, SavedDtype> dtypes) {}

    /**
     * Checks all tensors against the layout, then allocates the parameters and uploads them.
     *
     * @param asked how to store the matrices of layers in 4 bits; null: as the files hold them
     */
    Loaded load(ModelConfig config, Device device, DType dtype, @Nullable FourBit asked, LoadProgress progress) {
        Map<String, StoredTensor> rest = bySavedNames(Families.named(config.modelType()));
        FourBitFiles fourBit = FourBitFiles.take(rest, asked);
        if (fourBit.quantised().isEmpty() && FourBit.find(config.json(), null) != null) {
            throw new Dpo4jException(
                    directory + ": config.json says load_in_4bit, but no tensor has a quant_state of"
                            + " bitsandbytes; remove quantization_config if the weights are floats, or download the model again");
        }
        ParameterLayout layout = new ParameterLayout(config, fourBit.isUsed());
        Matched matched = match(config, layout, rest, fourBit);
        Map<String, SavedDtype> dtypes = new HashMap<>();
        for (int i = 0; i < matched.flat.size(); i++) {
            dtypes.put(
                    layout.tensors().get(i).name(),
                    SavedDtype.stored(matched.flat.get(i).entry().dtype()));
        }
        Parameters parameters = Parameters.allocate(layout, device, dtype);
        try {
            long first = matched.flat.stream().mapToLong(StoredTensor::bytes).sum();
            long then = matched.fourBit.values().stream()
                    .mapToLong(FourBitSource::bytes)
                    .sum();
            upload(matched.flat, parameters, (done, total) -> progress.loaded(done, total + then));
            if (fourBit.isUsed()) {
                LoadProgress second = (done, total) -> progress.loaded(first + done, first + total);
                parameters.with(FourBitLoading.load(layout, device, dtype, matched.fourBit, second));
            }
        } catch (RuntimeException | Error e) {
            parameters.close();
            throw e;
        }
        return new Loaded(parameters, layout, dtypes);
    }

    /** Checks all tensors against the layout, then replaces the weights of existing parameters by them. */
    void replace(ModelConfig config, ParameterLayout layout, Parameters parameters) {
        upload(match(config, layout), parameters, LoadProgress.NONE);
    }

    private static void upload(List<StoredTensor> matched, Parameters parameters, LoadProgress progress) {
        List<TensorUpload.Tensor> tensors = new ArrayList<>();
        for (int i = 0; i < matched.size(); i++) {
            StoredTensor found = matched.get(i);
            Placement placement = parameters.tensors().get(i).placement();
            tensors.add(new TensorUpload.Tensor(placement, found.file(), found.entry()));
        }
        new TensorUpload(parameters.flatWeights(), tensors, progress).run();
    }

    /** SHA-256 of {@code config.json} and all files of tensors; of an adapter, also of its own files. */
    static String hash(Path directory) {
        Path base = ModelDirectory.base(directory);
        List<Path> all = new ArrayList<>(List.of(base.resolve(ModelJson.CONFIG)));
        if (base != directory) {
            all.add(directory.resolve(AdapterConfigJson.FILE));
            all.add(directory.resolve(AdapterFiles.FILE));
        }
        try (ModelFiles model = open(base)) {
            model.files.forEach(file -> all.add(file.file()));
        }
        MessageDigest digest = Sha256.digest();
        for (Path file : all) {
            try {
                digest.update(Sha256.ofChunks(file));
            } catch (IOException e) {
                throw JsonFile.unreadable(file, e);
            }
        }
        return Sha256.hex(digest);
    }

    @Override
    public void close() {
        files.forEach(SafeTensors::close);
    }
}
