package org.dpo4j.model;

import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.decoder.Rope;

/**
 * A {@link Decoder} with the memory of training, and its two passes as CUDA graphs where they are wanted: each is keyed by
 * every size and address that its launches use.
 */
final class TrainingDecoder implements AutoCloseable {

    /**
     * Of a forward pass. Weights and their gradients are the model's, and stay.
     *
     * @param pass without {@code positionsEnd}, which no launch uses
     * @param out start of the activations; the rows decide what lies where
     * @param dHidden start of its memory
     */
    private record ForwardKey(Pass pass, long out, long dHidden, Rope.Table rotary) {}

    /** Of the backward pass after it. */
    private record BackwardKey(ForwardKey forward, RowsByIndex ids) {}

    private record Buffers(Decoder.Activations activations, Layer.Gradients gradients) {}

    private final Device device;
    private final Decoder decoder;
    private final Graphs graphs;
    private final Arena arena;
    /** For dHidden alone, which then begins at one address, whatever the rows. So does {@code out} in the other arena. */
    private final Arena gradientArena;

    TrainingDecoder(Model model, boolean hasGraphs) {
        device = model.device();
        decoder = new Decoder(model);
        graphs = new Graphs(device, hasGraphs);
        arena = new Arena(device);
        gradientArena = new Arena(device);
    }

    /** A queued forward pass, valid until the next. */
    final class Forward {
        private final Pass pass;
        private final Buffers buffers;
        private final long dHidden;

        private Forward(Pass pass, Buffers buffers, long dHidden) {
            this.pass = pass;
            this.buffers = buffers;
            this.dHidden = dHidden;
        }

        /** Address of the hidden states after the last layer, [rows, hiddenSize]. */
        long out() {
            return buffers.activations.out();
        }

        /** Where the caller adds the gradient of {@link #out}, of its shape, before {@link #backward}; 0 at first. */
        long dHidden() {
            return dHidden;
        }

        /** Queues the backward pass: adds to the gradients of all layers and, by the sorted ids, of the embedding. */
        void backward(RowsByIndex ids) {
            graphs.run(
                    new BackwardKey(key(), ids),
                    () -> decoder.backward(pass, ids, dHidden, buffers.activations, buffers.gradients));
        }

        private void queue() {
            decoder.forward(pass, buffers.activations, null);
            device.fill(dHidden, 0, decoder.hiddenBytes(pass.rows()));
        }

        private ForwardKey key() {
            return new ForwardKey(
                    pass.withPositionsEnd(0), out(), dHidden, decoder.rotary().table());
        }
    }

    /** Queues a forward pass. */
    Forward forward(Pass pass) {
        decoder.rotary().reserve(pass.positionsEnd());
        int rows = pass.rows();
        Forward forward = new Forward(
                pass,
                arena.layout(layout -> place(layout, rows)),
                gradientArena.layout(layout -> decoder.placeHidden(layout, rows)));
        graphs.run(forward.key(), forward::queue);
        return forward;
    }

    private Buffers place(Layout layout, int rows) {
        return new Buffers(decoder.placeKept(layout, rows), decoder.placeGradients(layout, rows));
    }

    /** Bytes of device memory that activations and their gradients take in a pass of so many rows. */
    long activationBytes(int rows) {
        return Layout.bytes(layout -> place(layout, rows)) + Layout.bytes(layout -> decoder.placeHidden(layout, rows));
    }

    /** Bytes of device memory that the angles of positions below {@code end} take. */
    long rotaryBytes(int end) {
        return decoder.rotary().bytes(end);
    }

    @Override
    public void close() {
        graphs.close();
        arena.close();
        gradientArena.close();
        decoder.close();
    }
}
