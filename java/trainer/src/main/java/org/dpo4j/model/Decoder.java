package org.dpo4j.model;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.stream.IntStream;
import org.dpo4j.io.FloatFormats;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.decoder.Embedding;
import org.dpo4j.kernels.decoder.Residual;
import org.dpo4j.kernels.decoder.UniformNoise;
import org.dpo4j.model.family.Architecture;
import org.dpo4j.model.family.ParameterKind;
import org.jspecify.annotations.Nullable;

/**
 * Computes the hidden states before the last norm from token ids: embedding tables and layers, forward and backward. The
 * caller owns the memory. In training each layer has its own activations, or its own input only: then backward computes the
 * activations of a layer again from its input, into memory that all layers share. Without backward all layers share one set and
 * update the hidden states in place, so memory does not grow with depth. The calls and the bits are the same.
 */
final class Decoder implements AutoCloseable {
    private final Device device;
    private final DType dtype;
    private final Weights weights;
    private final Parameter embedding;
    private final float embeddingScale;
    private final @Nullable Parameter positions;
    private final RotaryTables rotary;
    private final List<Layer> layers;
    /** With padding. */
    private final int hiddenSize;
    /** Without padding. */
    private final int width;

    Decoder(Model model) {
        device = model.device();
        weights = model.weights();
        dtype = weights.dtype();
        Architecture architecture = model.architecture();
        ParameterLayout layout = weights.layout();
        embedding = layout.parameter(ParameterKind.EMBEDDING);
        embeddingScale = embeddingScale(architecture.scales(), dtype);
        positions = layout.parameterOrNull(ParameterKind.POSITION_EMBEDDING, 0);
        hiddenSize = layout.sizes().hiddenSize();
        width = architecture.hiddenSize();
        rotary = new RotaryTables(device, architecture);
        layers = IntStream.range(0, architecture.layerCount())
                .mapToObj(layer -> new Layer(weights, architecture, layer, rotary))
                .toList();
    }

    private static float embeddingScale(Architecture.Scales scales, DType dtype) {
        float scale = (float) scales.embedding();
        return scales.isEmbeddingRounded() && dtype == DType.BF16 ? FloatFormats.roundToBfloat16(scale) : scale;
    }

    /**
     * Results of a forward pass.
     *
     * @param out [rows, hiddenSize], hidden states after the last layer
     * @param layers activations of each layer
     * @param isShared whether those of all layers, except their inputs, are in the same memory
     */
    record Activations(long out, List<Layer.Saved> layers, boolean isShared, Layer.Scratch scratch) {}

    /** Places one set of activations for all layers. No backward pass can follow. Places {@code out} first. */
    Activations placeShared(Layout layout, int rows) {
        long out = placeHidden(layout, rows);
        List<Layer.Saved> shared = placeTogether(layout, rows, Collections.nCopies(layers.size(), out), out);
        return new Activations(out, shared, true, layers.get(0).placeScratch(layout, rows));
    }

    /**
     * Places the input of each layer, and one set of the other activations for all layers. {@link #backward} then computes the
     * activations of a layer again before it reads them (gradient checkpointing, Chen et al. 2016). Places {@code out} first.
     */
    Activations placeInputs(Layout layout, int rows) {
        long out = placeHidden(layout, rows);
        List<Long> inputs = new ArrayList<>();
        for (int i = 0; i < layers.size(); i++) {
            inputs.add(placeHidden(layout, rows));
        }
        List<Layer.Saved> shared = placeTogether(layout, rows, inputs, placeHidden(layout, rows));
        return new Activations(out, shared, true, layers.get(0).placeScratch(layout, rows));
    }

    /** Places the activations of all layers in the same memory. Layers with larger adapters need more of it. */
    private List<Layer.Saved> placeTogether(Layout layout, int rows, List<Long> inputs, long middle) {
        long bytes = layers.stream()
                .mapToLong(layer -> Layout.bytes(counted -> layer.placeSaved(counted, rows, 0, 0)))
                .max()
                .orElse(0);
        long begin = layout.allocate(bytes);
        return IntStream.range(0, layers.size())
                .mapToObj(i -> layers.get(i).placeSaved(new Layout(begin), rows, inputs.get(i), middle))
                .toList();
    }

    /** Places activations for each layer, for {@link #backward} to read. Places {@code out} first. */
    Activations placeKept(Layout layout, int rows) {
        long out = placeHidden(layout, rows);
        List<Layer.Saved> kept = new ArrayList<>();
        for (Layer layer : layers) {
            kept.add(layer.placeSaved(layout, rows, placeHidden(layout, rows), placeHidden(layout, rows)));
        }
        return new Activations(out, List.copyOf(kept), false, layers.get(0).placeScratch(layout, rows));
    }

    /** Places the memory that {@link #backward} writes. */
    Layer.Gradients placeGradients(Layout layout, int rows) {
        return layers.get(0).placeGradients(layout, rows);
    }

    /** Places [rows, hiddenSize]: hidden states or their gradient. */
    long placeHidden(Layout layout, int rows) {
        return layout.matrix(rows, hiddenSize, dtype);
    }

    /** Bytes of [rows, hiddenSize]. */
    long hiddenBytes(int rows) {
        return (long) rows * hiddenSize * dtype.bytes();
    }

    /** The tables of rotary angles. Reserve the positions of a pass in them before queueing the pass. */
    RotaryTables rotary() {
        return rotary;
    }

    /**
     * Queues a forward pass. With a cache, it stores keys and values of the rows there and attends to rows of the
     * cache.
     */
    void forward(Pass pass, Activations activations, @Nullable KeyCache cache) {
        forward(pass, activations, cache, null);
    }

    /** Queues a forward pass. If {@code noisy} is not null, it adds noise to the token embeddings. */
    void forward(Pass pass, Activations activations, @Nullable KeyCache cache, @Nullable NoisyRows noisy) {
        Layer.Scratch scratch = activations.scratch;
        long before = embed(pass, activations.layers.get(0).in(), scratch.branch(), noisy);
        for (int i = 0; i < layers.size(); i++) {
            Layer.Saved saved = activations.layers.get(i);
            layers.get(i).forward(pass, before, saved, scratch, cache);
            before = saved.middle();
        }
        Residual.forward(device, activations.out, before, scratch.branch(), (long) pass.rows() * hiddenSize, dtype);
    }

    /**
     * Computes the embedding of the ids in {@code hidden}. Returns 0, unless the model has a table of positions: then
     * their embedding is in {@code branch}, and the first layer adds it to {@code hidden}, whose address is returned.
     */
    private long embed(Pass pass, long hidden, long branch, @Nullable NoisyRows noisy) {
        Embedding.forward(
                device,
                hidden,
                new Embedding.Table(weights.weight(embedding), hiddenSize, embeddingScale, dtype),
                new Embedding.Indices(pass.ids(), pass.rows(), embedding.rows().size()));
        if (noisy != null) {
            noisy.add(device, new UniformNoise.Matrix(hidden, pass.rows(), width, hiddenSize, dtype));
        }
        if (positions == null) {
            return 0;
        }
        Embedding.forward(
                device,
                branch,
                new Embedding.Table(weights.weight(positions), hiddenSize, dtype),
                new Embedding.Indices(
                        pass.positions(), pass.rows(), positions.rows().size()));
        return hidden;
    }

    /**
     * Queues the backward pass after a forward pass with {@link #placeKept} or {@link #placeInputs}. Adds to the gradients of
     * all layers and of the embedding tables. After the forward pass, shared memory still has the activations of the last layer.
     *
     * @param dHidden [rows, hiddenSize], the gradient of {@code activations.out}; it is overwritten
     */
    void backward(Pass pass, EmbeddedRows rows, long dHidden, Activations activations, Layer.Gradients gradients) {
        for (int i = layers.size() - 1; i >= 0; i--) {
            Layer.Saved saved = activations.layers.get(i);
            if (activations.isShared && i < layers.size() - 1) {
                layers.get(i).recompute(pass, saved, activations.scratch);
            }
            layers.get(i).backward(pass, dHidden, saved, activations.scratch, gradients);
        }
        if (!weights.isFrozen()) {
            backwardEmbedding(rows, dHidden);
        }
    }

    private void backwardEmbedding(EmbeddedRows rows, long dHidden) {
        if (positions != null && rows.positions() != null) {
            rows.positions()
                    .sum(
                            device,
                            new Embedding.Table(weights.gradient(positions), hiddenSize, DType.F32),
                            dHidden,
                            dtype);
        }
        rows.ids()
                .sum(
                        device,
                        new Embedding.Table(weights.gradient(embedding), hiddenSize, embeddingScale, DType.F32),
                        dHidden,
                        dtype);
    }

    @Override
    public void close() {
        rotary.close();
    }
}
