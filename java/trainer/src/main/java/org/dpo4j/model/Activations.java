package org.dpo4j.model;

import java.util.ArrayList;
import java.util.List;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.decoder.Attention;
import org.dpo4j.kernels.decoder.RmsNorm;

/**
 * Addresses of everything the decoder computes in one pass. In training each layer has its own; in evaluation all
 * layers share one set and the residual stream is updated in place, so memory does not grow with depth and the same
 * calls run on the same values.
 */
final class Activations {

    /**
     * What a layer's backward pass reads; what is cheap to compute again (norms' outputs, the swiglu's) is not kept.
     *
     * @param in [rows, hidden], the residual stream before attention
     * @param middle [rows, hidden], the residual stream before the feed-forward network
     * @param qkv [rows, (heads + 2 kvHeads) headDim], rotated
     * @param attention [rows, heads headDim]
     * @param lse f32[rows, heads]
     * @param gateUp [rows, 2 intermediate]
     * @param inRstd f32[rows], of the norm of in
     * @param middleRstd f32[rows], of the norm of middle
     */
    record Layer(long in, long middle, long qkv, long attention, long lse, long gateUp, long inRstd, long middleRstd) {}

    private final Arena arena;
    /** Of {@link #dStream} alone, so that it begins where {@code out} does: at one address, whatever the rows. */
    private final Arena gradient;

    private final LlamaConfig config;
    private final DType dtype;
    private final boolean training;

    final List<Layer> layers = new ArrayList<>();
    /** [rows, hidden], the residual stream after the last layer. */
    long out;
    /** [rows, hidden], a norm's output. */
    long normed;
    /** [rows, hidden], what a branch adds to the residual stream; backward: the gradient of a norm's output. */
    long branch;
    /** [rows, intermediate], the swiglu's output. */
    long inner;

    /** [rows, hidden], the gradient of the residual stream. */
    long dStream;
    /** [rows, intermediate]. */
    long dInner;
    /** [rows, heads headDim]. */
    long dAttention;
    /** [rows, (heads + 2 kvHeads) headDim]. */
    long dQkv;

    long normWorkspace;
    /** Of a layer's forward and, in training, its backward. */
    long attentionWorkspace;

    Activations(Device device, LlamaConfig config, DType dtype, boolean training) {
        this.arena = new Arena(device);
        this.gradient = new Arena(device);
        this.config = config;
        this.dtype = dtype;
        this.training = training;
    }

    /** Lays everything out for that many rows. */
    void lay(int rows) {
        arena.lay(() -> layForward(rows));
        if (training) {
            gradient.lay(() -> layGradient(rows));
        }
    }

    /** What {@link #lay} takes of the device; nothing is laid out. */
    long bytes(int rows) {
        return arena.measure(() -> layForward(rows)) + (training ? gradient.measure(() -> layGradient(rows)) : 0);
    }

    private void layGradient(int rows) {
        dStream = gradient.take((long) rows * config.hiddenSize() * dtype.bytes());
    }

    private void layForward(int rows) {
        layers.clear();
        out = take(rows, config.hiddenSize());
        if (training) {
            long in = take(rows, config.hiddenSize());
            for (int i = 0; i < config.numHiddenLayers(); i++) {
                long next = i + 1 < config.numHiddenLayers() ? take(rows, config.hiddenSize()) : out;
                layers.add(layer(rows, in, take(rows, config.hiddenSize())));
                in = next;
            }
        } else {
            Layer shared = layer(rows, out, out);
            for (int i = 0; i < config.numHiddenLayers(); i++) {
                layers.add(shared);
            }
        }
        normed = take(rows, config.hiddenSize());
        branch = take(rows, config.hiddenSize());
        inner = take(rows, config.intermediateSize());
        attentionWorkspace = arena.take(attentionWorkspaceBytes(rows));
        if (training) {
            layBackward(rows);
        }
    }

    /** Of queries, keys and values that lie side by side in a row of {@link Layer#qkv}. */
    Attention.Shape attentionShape() {
        int headDim = config.headDim();
        return new Attention.Shape(
                config.numAttentionHeads(),
                config.numKeyValueHeads(),
                headDim,
                new Attention.Strides(queryWidth(), qkvWidth(), qkvWidth()),
                (float) (1 / Math.sqrt(headDim)),
                dtype);
    }

    private long attentionWorkspaceBytes(int rows) {
        long forward = Attention.forwardWorkspaceBytes();
        return training ? Math.max(forward, Attention.backwardWorkspaceBytes(rows, attentionShape())) : forward;
    }

    private void layBackward(int rows) {
        dInner = take(rows, config.intermediateSize());
        dAttention = take(rows, queryWidth());
        dQkv = take(rows, qkvWidth());
        normWorkspace = arena.take(RmsNorm.backwardWorkspaceBytes(rows, config.hiddenSize()));
    }

    private Layer layer(int rows, long in, long middle) {
        return new Layer(
                in,
                middle,
                take(rows, qkvWidth()),
                take(rows, queryWidth()),
                arena.take(4L * rows * config.numAttentionHeads()),
                take(rows, 2L * config.intermediateSize()),
                arena.take(4L * rows),
                arena.take(4L * rows));
    }

    int queryWidth() {
        return config.numAttentionHeads() * config.headDim();
    }

    int qkvWidth() {
        return queryWidth() + 2 * config.numKeyValueHeads() * config.headDim();
    }

    private long take(long rows, long width) {
        return arena.take(rows * width * dtype.bytes());
    }

    void close() {
        arena.close();
        gradient.close();
    }
}
