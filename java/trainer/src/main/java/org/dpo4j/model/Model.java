package org.dpo4j.model;

import java.nio.file.Path;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;

/** A Llama model: its numbers, its weights on a device, and the files it came from. Closed by its owner, before the device. */
public final class Model implements AutoCloseable {

    Model() {}

    /**
     * Reads a Hugging Face directory: {@code config.json} and {@code model.safetensors}, or the shards of {@code model.safetensors.index.json}.
     * F32, F16 and BF16 files are converted to {@code dtype}. Throws one error that names every tensor missing, unexpected or of another shape.
     */
    public static Model load(Path directory, Device device, DType dtype) {
        throw new UnsupportedOperationException();
    }

    /**
     * A new model, initialised as transformers does: matrices normal with deviation {@code initializer_range}, norms 1. The same seed makes the same
     * bits on any machine ({@link java.util.SplittableRandom}, Box-Muller in {@link StrictMath}).
     */
    public static Model create(LlamaConfig config, Device device, DType dtype, long seed) {
        throw new UnsupportedOperationException();
    }

    public LlamaConfig config() {
        throw new UnsupportedOperationException();
    }

    public Parameters parameters() {
        throw new UnsupportedOperationException();
    }

    public Device device() {
        throw new UnsupportedOperationException();
    }

    /** A copy with weights of its own, as a frozen reference. */
    public Model copy() {
        throw new UnsupportedOperationException();
    }

    /**
     * Writes {@code model.safetensors} in {@code dtype}, {@code config.json} with every key of the original, and {@code generation_config.json} where
     * there was one; each file whole or not at all. The directory is made where it is missing.
     */
    public void save(Path directory, DType dtype) {
        throw new UnsupportedOperationException();
    }

    @Override
    public void close() {
        throw new UnsupportedOperationException();
    }
}
