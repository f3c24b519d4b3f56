package org.dpo4j.model;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.stream.IntStream;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.decoder.Embedding;
import org.dpo4j.kernels.decoder.Residual;
import org.dpo4j.model.family.Architecture;
import org.dpo4j.model.family.ParameterKind;
import org.jspecify.annotations.Nullable;

/**
 * Embedding and layers, from token ids to the hidden states before the last norm, and back. Its caller has the memory:
 * in training each layer has activations of its own; else all layers share one set, the hidden states are updated in
 * place, and memory does not grow with depth. The calls are the same, and so are the bits.
 */
final class Decoder implements AutoCloseable {
    private final Device device;
    private final DType dtype;
    private final Parameters parameters;
    private final Parameter embedding;
    private final RotaryTable rotary;
    private final List<Layer> layers;
    private final int hiddenSize;

    Decoder(Model model) {
        device = model.device();
        parameters = model.parameters();
        dtype = parameters.dtype();
        Architecture architecture = model.architecture();
        embedding = parameters.layout().parameter(ParameterKind.EMBEDDING);
        hiddenSize = architecture.hiddenSize();
        rotary = new RotaryTable(
                device,
                architecture.attention().ropeTheta(),
                architecture.attention().headDim(),
                architecture.maxPositions());
        layers = IntStream.range(0, architecture.layerCount())
                .mapToObj(layer -> new Layer(parameters, architecture, layer, rotary))
                .toList();
    }

    /**
     * What a forward pass writes.
     *
     * @param out [rows, hiddenSize], hidden states after the last layer
     * @param layers each layer's own, or the same for all of them
     */
    record Activations(long out, List<Layer.Saved> layers, Layer.Scratch scratch) {}

    /** One set of activations for all layers: no backward pass can follow. {@code out} comes first. */
    Activations placeShared(Layout layout, int rows) {
        long out = placeHidden(layout, rows);
        Layer.Saved shared = layers.get(0).placeSaved(layout, rows, out, out);
        return new Activations(
                out, Collections.nCopies(layers.size(), shared), layers.get(0).placeScratch(layout, rows));
    }

    /** Activations that {@link #backward} reads, each layer's own. {@code out} comes first. */
    Activations placeKept(Layout layout, int rows) {
        long out = placeHidden(layout, rows);
        List<Layer.Saved> kept = new ArrayList<>();
        for (Layer layer : layers) {
            kept.add(layer.placeSaved(layout, rows, placeHidden(layout, rows), placeHidden(layout, rows)));
        }
        return new Activations(out, List.copyOf(kept), layers.get(0).placeScratch(layout, rows));
    }

    /** What {@link #backward} works in. */
    Layer.Gradients placeGradients(Layout layout, int rows) {
        return layers.get(0).placeGradients(layout, rows);
    }

    /** Address of [rows, hiddenSize]: hidden states, or their gradient. */
    long placeHidden(Layout layout, int rows) {
        return layout.matrix(rows, hiddenSize, dtype);
    }

    /** Bytes of [rows, hiddenSize]. */
    long hiddenBytes(int rows) {
        return (long) rows * hiddenSize * dtype.bytes();
    }

    /** The table of angles, which a pass needs for its positions before it is queued. */
    RotaryTable rotary() {
        return rotary;
    }

    /** Queues a forward pass. With a cache, stores the keys and values of the rows in it, and attends to all its rows. */
    void forward(Pass pass, Activations activations, @Nullable KeyCache cache) {
        Layer.Scratch scratch = activations.scratch;
        embed(pass, activations.layers.get(0).in());
        long before = 0;
        for (int i = 0; i < layers.size(); i++) {
            Layer.Saved saved = activations.layers.get(i);
            layers.get(i).forward(pass, before, saved, scratch, cache);
            before = saved.middle();
        }
        Residual.forward(device, activations.out, before, scratch.branch(), (long) pass.rows() * hiddenSize, dtype);
    }

    private void embed(Pass pass, long hidden) {
        Embedding.forward(
                device,
                hidden,
                new Embedding.Table(parameters.weight(embedding), hiddenSize, dtype),
                new Embedding.Indices(pass.ids(), pass.rows(), embedding.rows()));
    }

    /**
     * Queues the backward pass of a forward pass over kept activations: adds to the gradients of all layers and, by the
     * sorted ids, of the embedding.
     *
     * @param dHidden [rows, hiddenSize], the gradient of {@code activations.out}; written over
     */
    void backward(Pass pass, RowsByIndex ids, long dHidden, Activations activations, Layer.Gradients gradients) {
        for (int i = layers.size() - 1; i >= 0; i--) {
            layers.get(i).backward(pass, dHidden, activations.layers.get(i), activations.scratch, gradients);
        }
        ids.sum(device, parameters.gradient(embedding), dHidden, hiddenSize, DType.F32, dtype);
    }

    @Override
    public void close() {
        rotary.close();
    }
}
