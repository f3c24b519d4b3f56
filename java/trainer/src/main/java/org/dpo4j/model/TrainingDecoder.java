package org.dpo4j.model;

import java.util.List;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.decoder.Rope;
import org.jspecify.annotations.Nullable;

/**
 * A {@link Decoder} with its memory for training. Its forward and backward passes can be CUDA graphs, keyed by every
 * size and address that their launches use.
 */
final class TrainingDecoder implements AutoCloseable {

    /**
     * Key of a forward pass. It does not contain the addresses of weights and their gradients, because they never
     * change.
     *
     * @param out start of the activations; all their addresses follow from it and the rows
     * @param dHidden gradient of {@code out}
     */
    private record ForwardKey(Pass pass, @Nullable NoisyRows noisy, long out, long dHidden, List<Rope.Table> rotary) {}

    /**
     * Key of the backward pass after it.
     *
     * @param isFirst whether it overwrites gradients: {@link WeightGradients#areEmpty}
     */
    private record BackwardKey(ForwardKey forward, EmbeddedRows rows, boolean isFirst) {}

    private record Buffers(Decoder.Activations activations, Layer.Gradients gradients) {}

    /**
     * Max nodes of both passes of a layer, and of what is there once. GraphsTest counts 28 to 37 kernels, products, fills and
     * copies; products of cuBLASLt whose sum is split have a second kernel. Adapters of all projections have up to twice as
     * many besides.
     */
    private static final int LAYER_NODES = 40;

    private static final int RECOMPUTED_LAYER_NODES = 48;
    private static final int OTHER_NODES = 16;

    private final Device device;
    private final WeightGradients trained;
    private final Decoder decoder;
    private final boolean isRecomputed;
    private final Graphs graphs;
    private final Arena arena;
    /** Only for dHidden, so that its address does not depend on the rows. {@code out} is first in the other arena. */
    private final Arena gradientArena;

    /** {@code isRecomputed}: whether backward computes activations again. */
    TrainingDecoder(Model model, boolean hasGraphs, boolean isRecomputed) {
        device = model.device();
        trained = model.trained().weightGradients();
        decoder = new Decoder(model);
        this.isRecomputed = isRecomputed;
        graphs = new Graphs(device, hasGraphs);
        arena = new Arena(device);
        gradientArena = new Arena(device);
    }

    /** A queued forward pass, valid until the next one. */
    final class Forward {
        private final Pass pass;
        private final @Nullable NoisyRows noisy;
        private final Buffers buffers;
        private final long dHidden;

        private Forward(Pass pass, @Nullable NoisyRows noisy, Buffers buffers, long dHidden) {
            this.pass = pass;
            this.noisy = noisy;
            this.buffers = buffers;
            this.dHidden = dHidden;
        }

        /** Address of the hidden states after the last layer, [rows, hiddenSize]. */
        long out() {
            return buffers.activations.out();
        }

        /**
         * The gradient of {@link #out}, of the same shape, initially 0. The caller adds to it before {@link #backward}.
         */
        long dHidden() {
            return dHidden;
        }

        /** Queues the backward pass: adds to the gradients of all layers and of the embedding tables. */
        void backward(EmbeddedRows rows) {
            graphs.run(
                    new BackwardKey(key(), rows, trained.areEmpty()),
                    () -> decoder.backward(pass, rows, dHidden, buffers.activations, buffers.gradients));
        }

        private void queue() {
            decoder.forward(pass, buffers.activations, null, noisy);
            device.fill(dHidden, 0, decoder.hiddenBytes(pass.rows()));
        }

        private ForwardKey key() {
            return new ForwardKey(pass, noisy, out(), dHidden, decoder.rotary().addresses());
        }
    }

    /** Queues a forward pass; {@code noisy}: the noise on its embeddings, or null. */
    Forward forward(Pass pass, @Nullable NoisyRows noisy) {
        int rows = pass.rows();
        Forward forward = new Forward(
                pass,
                noisy,
                arena.layout(layout -> place(layout, rows, isRecomputed)),
                gradientArena.layout(layout -> decoder.placeHidden(layout, rows)));
        graphs.run(forward.key(), forward::queue);
        return forward;
    }

    private Buffers place(Layout layout, int rows, boolean areRecomputed) {
        return new Buffers(
                areRecomputed ? decoder.placeInputs(layout, rows) : decoder.placeKept(layout, rows),
                decoder.placeGradients(layout, rows));
    }

    /**
     * Bytes of device memory of activations and their gradients in a pass of {@code rows} rows, whose activations are computed
     * again in backward or not.
     */
    long activationBytes(int rows, boolean areRecomputed) {
        return Layout.bytes(layout -> place(layout, rows, areRecomputed))
                + Layout.bytes(layout -> decoder.placeHidden(layout, rows));
    }

    /** Upper bound on the nodes of the graphs of a forward and a backward pass. */
    static long maxNodes(Model model, boolean isRecomputed) {
        int ofLayer = (isRecomputed ? RECOMPUTED_LAYER_NODES : LAYER_NODES) * (model.adapter() == null ? 1 : 3);
        return OTHER_NODES + (long) ofLayer * model.architecture().layerCount();
    }

    /** Nodes of the graphs that are kept. */
    long nodes() {
        return graphs.nodes();
    }

    /** The rotary tables. Reserve the positions of a batch in them before its pass. */
    RotaryTables rotary() {
        return decoder.rotary();
    }

    @Override
    public void close() {
        graphs.close();
        arena.close();
        gradientArena.close();
        decoder.close();
    }
}
