package org.dpo4j.bench.device;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.dpo4j.io.JsonFile;
import org.dpo4j.io.SafeTensors;
import org.dpo4j.kernels.DType;

/**
 * A model directory with bf16 weights: matrices of normal(0, 0.02), norms of 1. It is deleted when closed. Matrices
 * repeat the numbers of a pool, because generating a whole model would take a minute.
 */
final class RandomModel implements AutoCloseable {
    private final Path directory;
    private final Path config;
    private final Path weights;

    private RandomModel(Path directory) {
        this.directory = directory;
        config = directory.resolve("config.json");
        weights = directory.resolve("model.safetensors");
    }

    Path directory() {
        return directory;
    }

    static RandomModel write(Shape shape, Numbers numbers) throws IOException {
        RandomModel model = new RandomModel(Files.createTempDirectory("dpo4j-bench-model"));
        // Gigabytes must be deleted even if the run ends early.
        for (Path path : List.of(model.directory, model.config, model.weights)) {
            path.toFile().deleteOnExit();
        }
        ModelShape sizes = ModelShape.of(shape);
        var json = JsonFile.object()
                .put("model_type", "llama")
                .put("vocab_size", sizes.vocabulary())
                .put("hidden_size", sizes.hidden())
                .put("intermediate_size", sizes.intermediate())
                .put("num_hidden_layers", sizes.layers())
                .put("num_attention_heads", sizes.heads())
                .put("num_key_value_heads", sizes.kvHeads())
                .put("max_position_embeddings", ModelShape.POSITIONS)
                .put("tie_word_embeddings", sizes.tied());
        Files.writeString(model.config, json.toString());
        ByteBuffer pool = numbers.deal(numbers.size(), 0.02, DType.BF16);
        ByteBuffer chunk = ByteBuffer.allocateDirect(8 << 20);
        SafeTensors.write(model.weights, sizes.tensors(), chunk, (tensor, offset, destination) -> {
            if (tensor.name().endsWith("norm.weight")) {
                ones(destination);
            } else {
                fill(destination, pool);
            }
        });
        return model;
    }

    private static void ones(ByteBuffer destination) {
        while (destination.hasRemaining()) {
            destination.put((byte) 0x80).put((byte) 0x3F); // bf16, little-endian
        }
    }

    private static void fill(ByteBuffer destination, ByteBuffer pool) {
        while (destination.hasRemaining()) {
            if (!pool.hasRemaining()) {
                pool.rewind();
            }
            int count = Math.min(destination.remaining(), pool.remaining());
            destination.put(pool.slice(pool.position(), count));
            pool.position(pool.position() + count);
        }
    }

    @Override
    public void close() throws IOException {
        Files.deleteIfExists(config);
        Files.deleteIfExists(weights);
        Files.delete(directory);
    }
}
