package org.dpo4j.bench.device;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Map;
import org.dpo4j.kernels.DType;

/**
 * A model directory of normal(0, 0.02) weights and norms of 1, in bf16, until closed. Weights repeat from a pool: a new
 * model's would take a minute to draw.
 */
final class RandomModel implements AutoCloseable {
    private static final ObjectMapper JSON = new ObjectMapper();

    private final Path directory;

    private RandomModel(Path directory) {
        this.directory = directory;
    }

    Path directory() {
        return directory;
    }

    static RandomModel write(Shape shape, Numbers numbers) throws IOException {
        RandomModel model = new RandomModel(Files.createTempDirectory("dpo4j-bench-model"));
        model.deleteOnExit();
        ModelShape of = ModelShape.of(shape);
        JSON.writeValue(model.config().toFile(), config(of));
        model.weights(of.tensors(), numbers);
        return model;
    }

    private static ObjectNode config(ModelShape of) {
        return JSON.createObjectNode()
                .put("model_type", "llama")
                .put("vocab_size", of.vocabulary())
                .put("hidden_size", of.hidden())
                .put("intermediate_size", of.intermediate())
                .put("num_hidden_layers", of.layers())
                .put("num_attention_heads", of.heads())
                .put("num_key_value_heads", of.kvHeads())
                .put("max_position_embeddings", ModelShape.POSITIONS)
                .put("tie_word_embeddings", of.tied());
    }

    /** Gigabytes must not stay where a run is cut off. */
    private void deleteOnExit() {
        directory.toFile().deleteOnExit();
        config().toFile().deleteOnExit();
        weights().toFile().deleteOnExit();
    }

    private Path config() {
        return directory.resolve("config.json");
    }

    private Path weights() {
        return directory.resolve("model.safetensors");
    }

    private void weights(Map<String, int[]> tensors, Numbers numbers) throws IOException {
        ObjectNode header = JSON.createObjectNode();
        long end = 0;
        for (Map.Entry<String, int[]> tensor : tensors.entrySet()) {
            ObjectNode entry = header.putObject(tensor.getKey()).put("dtype", "BF16");
            entry.set("shape", JSON.valueToTree(tensor.getValue()));
            long begin = end;
            end += DType.BF16.bytes() * elements(tensor.getValue());
            entry.putArray("data_offsets").add(begin).add(end);
        }
        byte[] text = JSON.writeValueAsString(header).getBytes(StandardCharsets.UTF_8);
        try (FileChannel file = FileChannel.open(weights(), StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
            ByteBuffer length = ByteBuffer.allocate(Long.BYTES).order(ByteOrder.LITTLE_ENDIAN);
            write(file, length.putLong(text.length).flip());
            write(file, ByteBuffer.wrap(text));
            ByteBuffer pool = numbers.deal(numbers.size(), 0.02, DType.BF16);
            for (int[] shape : tensors.values()) {
                write(file, pool, shape);
            }
        }
    }

    private static long elements(int[] shape) {
        long elements = 1;
        for (int size : shape) {
            elements *= size;
        }
        return elements;
    }

    private static void write(FileChannel file, ByteBuffer pool, int[] shape) throws IOException {
        if (shape.length == 1) {
            ByteBuffer ones = ByteBuffer.allocate(DType.BF16.bytes() * shape[0]).order(ByteOrder.LITTLE_ENDIAN);
            while (ones.hasRemaining()) {
                ones.putShort((short) (Float.floatToRawIntBits(1) >>> 16));
            }
            write(file, ones.flip());
            return;
        }
        for (long left = DType.BF16.bytes() * elements(shape); left > 0; ) {
            if (!pool.hasRemaining()) {
                pool.rewind();
            }
            int count = (int) Math.min(left, pool.remaining());
            write(file, pool.slice(pool.position(), count));
            pool.position(pool.position() + count);
            left -= count;
        }
    }

    private static void write(FileChannel file, ByteBuffer bytes) throws IOException {
        while (bytes.hasRemaining()) {
            file.write(bytes);
        }
    }

    @Override
    public void close() throws IOException {
        Files.deleteIfExists(config());
        Files.deleteIfExists(weights());
        Files.delete(directory);
    }
}
