package org.dpo4j.model;

import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.dpo4j.io.StoredTensor;
import org.dpo4j.model.family.ModelConfig;

/**
 * The weights of a Hugging Face directory as they are in its files. They are read tensor by tensor, and need no device.
 * The owner closes it.
 */
public final class StoredWeights implements AutoCloseable {

    /**
     * A tensor.
     *
     * @param name the family's name; a file may call it otherwise
     * @param shape rows first
     * @param dtype F32, F16 or BF16
     */
    public record Tensor(String name, List<Long> shape, String dtype) {}

    private final ModelConfig config;
    private final ModelFiles files;
    private final Map<Tensor, StoredTensor> stored = new LinkedHashMap<>();

    private StoredWeights(ModelConfig config, ModelFiles files) {
        this.config = config;
        this.files = files;
        ParameterLayout layout = new ParameterLayout(config);
        List<StoredTensor> matched = files.match(config, layout);
        for (int i = 0; i < matched.size(); i++) {
            ParameterTensor tensor = layout.tensors().get(i);
            StoredTensor found = matched.get(i);
            stored.put(new Tensor(tensor.name(), tensor.shape(), found.entry().dtype()), found);
        }
    }

    /**
     * Opens the files of a directory and checks them against {@code config.json}. Throws one error that lists all tensors
     * that are missing, unexpected or of another shape.
     */
    public static StoredWeights open(Path directory) {
        ModelConfig config = Model.readConfig(directory);
        ModelFiles files = ModelFiles.open(directory);
        try {
            return new StoredWeights(config, files);
        } catch (RuntimeException e) {
            files.close();
            throw e;
        }
    }

    /** The model's {@code config.json}. */
    public ModelConfig config() {
        return config;
    }

    /** All tensors of the model. A tied head is not among them. */
    public List<Tensor> tensors() {
        return new ArrayList<>(stored.keySet());
    }

    /** Fills {@code destination} with bytes of a tensor of {@link #tensors} from {@code offset} on. */
    public void read(Tensor tensor, long offset, ByteBuffer destination) {
        StoredTensor found = stored.get(tensor);
        if (found == null) {
            throw new IllegalArgumentException(tensor.name() + " is not a tensor of this model");
        }
        found.file().read(found.entry(), offset, destination);
    }

    @Override
    public void close() {
        files.close();
    }
}
