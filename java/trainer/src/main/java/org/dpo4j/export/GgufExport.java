package org.dpo4j.export;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.WritableByteChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.dpo4j.export.tokenizer.TokenizerSource;
import org.dpo4j.io.FileErrors;
import org.dpo4j.io.JsonFile;
import org.dpo4j.io.OutputFile;
import org.dpo4j.io.gguf.GgufFile;
import org.dpo4j.io.gguf.GgufMetadata;
import org.dpo4j.io.gguf.GgufTensor;
import org.dpo4j.io.gguf.GgufType;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.model.LoadProgress;
import org.dpo4j.model.Model;
import org.dpo4j.model.StoredWeights;
import org.dpo4j.model.family.Architecture.AttentionTraits;
import org.dpo4j.model.family.ModelConfig;
import org.dpo4j.model.family.RopeScaling.Llama3;
import org.dpo4j.model.family.Rotation;

/**
 * Writes a Hugging Face model as one GGUF file, with the keys, names and types of llama.cpp's convert_hf_to_gguf.py.
 * Tensors are converted some rows at a time, so that memory does not depend on the model's size.
 */
public final class GgufExport {
    private final StoredWeights weights;
    private final Target target;
    private final GgufMetadata metadata = new GgufMetadata();
    private final Map<String, TensorConversion> conversions = new LinkedHashMap<>();
    private final List<GgufTensor> tensors = new ArrayList<>();
    private final List<String> notices = new ArrayList<>();
    private long done;

    private GgufExport(StoredWeights weights, Target target) {
        this.weights = weights;
        this.target = target;
    }

    /**
     * What was written.
     *
     * @param bytes size of the file
     * @param tensors number of tensors
     * @param notices lines that say what llama.cpp computes otherwise
     */
    public record Written(long bytes, int tensors, List<String> notices) {}

    /**
     * Writes a model. Throws before it writes anything if llama.cpp cannot read or compute the model, if the directory has
     * no tokenizer, or if {@code output} exists; an error while it writes leaves nothing behind.
     *
     * @param model Hugging Face directory
     * @param type type of matrices; vectors are F32, and matrices whose rows are not a multiple of 32 are F16 instead of
     *     Q8_0
     * @param progress receives the bytes that are written
     */
    public static Written write(Path model, Path output, GgufType type, LoadProgress progress) {
        refuseAdapter(model);
        checkNew(output);
        refuseQuantized(model);
        try (StoredWeights weights = StoredWeights.open(model)) {
            GgufExport export = prepare(model, weights, type);
            long bytes = GgufFile.bytes(export.metadata, export.tensors);
            long total = export.tensors.stream().mapToLong(GgufTensor::bytes).sum();
            try {
                GgufFile.write(output, export.metadata, export.tensors, (tensor, channel) -> {
                    export.write(tensor, channel);
                    export.done += tensor.bytes();
                    progress.loaded(export.done, total);
                });
            } catch (Dpo4jException e) {
                throw e.getCause() instanceof IOException reason ? unwritten(output, bytes, reason, e) : e;
            }
            return new Written(bytes, export.tensors.size(), List.copyOf(export.notices));
        }
    }

    private static Dpo4jException unwritten(Path output, long bytes, IOException reason, Dpo4jException e) {
        return FileErrors.isAboutSpace(reason)
                ? new Dpo4jException(
                        output + " cannot be written (" + FileErrors.reason(reason) + "); "
                                + FileErrors.space(reason, "the file", bytes, output) + "give another file",
                        e)
                : e;
    }

    /** Whether llama.cpp has the family of a model and computes it as its {@code config.json} says. Reads no weights. */
    public static boolean isPossible(Path model) {
        try {
            ModelConfig config = Model.readConfig(model);
            new Representable(Target.find(config.modelType()), config).check();
            return true;
        } catch (Dpo4jException e) {
            return false; // write() says why
        }
    }

    private static GgufExport prepare(Path model, StoredWeights weights, GgufType type) {
        ModelConfig config = weights.config();
        Path file = model.resolve("config.json");
        try {
            GgufExport export = new GgufExport(weights, Target.find(config.modelType()));
            Representable representable = new Representable(export.target, config);
            representable.check();
            export.notices.addAll(representable.notices());
            export.plan(type);
            export.describe(model, type, JsonFile.read(file));
            return export;
        } catch (Dpo4jException e) {
            String message = String.valueOf(e.getMessage());
            throw message.startsWith(model.toString()) ? e : new Dpo4jException(file + ": " + message, e);
        }
    }

    private static void refuseAdapter(Path model) {
        if (Files.exists(model.resolve("adapter_config.json"))) {
            throw new Dpo4jException(
                    model + " holds a PEFT adapter; merge it first, and give the directory of the" + " merged model");
        }
    }

    private static void refuseQuantized(Path model) {
        if (Model.readConfig(model).json().hasNonNull("quantization_config")) {
            throw new Dpo4jException(model.resolve("config.json")
                    + ": quantization_config is set: GGUF is written from float weights; export the model from which these"
                    + " were quantized");
        }
    }

    /** Throws if a file would be replaced, or its directory does not exist. */
    public static void checkNew(Path output) {
        if (Files.isRegularFile(output)) {
            throw new Dpo4jException(output + " exists; delete it, or give another file");
        }
        OutputFile.check(output);
    }

    /** Decides name, type and conversion of each tensor. */
    private void plan(GgufType type) {
        rotaryFactors()
                .ifPresent(factors -> tensors.add(new GgufTensor(
                        RotaryFactors.NAME, GgufType.F32, List.of((long) factors.remaining() / Float.BYTES))));
        int headRows = weights.config().architecture().attention().headDim();
        for (StoredWeights.Tensor source : weights.tensors()) {
            String name = target.tensorName(source.name());
            GgufTensor tensor = new GgufTensor(name, type(source, type), source.shape());
            boolean isRotated = name.contains(".attn_q.") || name.contains(".attn_k.");
            boolean isNorm = name.endsWith("norm.weight");
            tensors.add(tensor);
            conversions.put(
                    name,
                    new TensorConversion(
                            source,
                            tensor,
                            isRotated && target.rotatesNeighbours() ? headRows : 0,
                            isNorm && target.isGemma() ? 1 : 0));
        }
    }

    private static GgufType type(StoredWeights.Tensor source, GgufType type) {
        if (source.shape().size() == 1) {
            return GgufType.F32;
        }
        return source.shape().get(1) % type.blockElements() == 0 ? type : GgufType.F16;
    }

    private Optional<ByteBuffer> rotaryFactors() {
        AttentionTraits attention = weights.config().architecture().attention();
        Rotation rotation = Representable.rotation(attention.layers().get(0));
        return rotation.scaling() instanceof Llama3 scaling
                ? Optional.of(RotaryFactors.bytes(rotation, scaling))
                : Optional.empty();
    }

    private void describe(Path model, GgufType type, ObjectNode config) {
        GeneralKeys general = new GeneralKeys(model, metadata);
        general.putBegin(target, tensors);
        new ArchitectureKeys(target, weights.config(), metadata).put();
        general.putEnd(type);
        TokenizerSource.read(model)
                .put(metadata, weights.config().architecture().vocabSize(), config, target.isGemma(), notices);
    }

    private void write(GgufTensor tensor, WritableByteChannel channel) throws IOException {
        TensorConversion conversion = conversions.get(tensor.name());
        if (conversion != null) {
            conversion.write(weights, channel);
        } else {
            ByteBuffer factors = rotaryFactors().orElseThrow();
            while (factors.hasRemaining()) {
                channel.write(factors);
            }
        }
    }
}
