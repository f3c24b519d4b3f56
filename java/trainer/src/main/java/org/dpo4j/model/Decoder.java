package org.dpo4j.model;

import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.decoder.Attention;
import org.dpo4j.kernels.decoder.CopyRows;
import org.dpo4j.kernels.decoder.Embedding;
import org.dpo4j.kernels.decoder.MatrixShape;
import org.dpo4j.kernels.decoder.Residual;
import org.dpo4j.kernels.decoder.RmsNorm;
import org.dpo4j.kernels.decoder.Rope;
import org.dpo4j.kernels.decoder.Swiglu;
import org.jspecify.annotations.Nullable;

/**
 * The layers of a Llama (Touvron et al. 2023), from token ids to the residual stream before the last norm, and back:
 *
 * <pre>
 *   middle = in + attention(rope(norm(in) Wqkv^T)) Wo^T
 *   next   = middle + swiglu(norm(middle) Wgu^T) Wdown^T
 * </pre>
 */
final class Decoder implements AutoCloseable {

    /**
     * Sizes and addresses of a forward pass. Weights and gradients are the model's, and stay.
     *
     * @param pass but for {@code positionsEnd}, which no launch has
     * @param activations start of their memory; the rows decide what lies where
     * @param dStream start of the memory of the stream's gradient
     * @param cosine of the rotary table, as {@code sine}
     * @param positions of the rotary table
     */
    private record ForwardKey(Pass pass, long activations, long dStream, long cosine, long sine, int positions) {}

    /** And of the backward pass after it. */
    private record BackwardKey(ForwardKey forward, RowsByIndex ids) {}

    private final Device device;
    private final DType dtype;
    private final LlamaConfig config;
    private final Parameters parameters;
    private final ParameterLayout layout;
    private final RotaryTable rotary;
    private final Activations activations;
    private final Graphs graphs;
    private final boolean training;

    private final int hidden;
    private final int inner;
    private final int heads;
    private final int keyHeads;
    private final int headDim;
    private final int queryWidth;
    private final int qkvWidth;
    private final Attention.Shape attention;
    private final float epsilon;
    private final Linear qkv;
    private final Linear output;
    private final Linear gateUp;
    private final Linear down;

    /** With {@code graphs}, passes without a cache are captured where their sizes come again. */
    Decoder(Model model, boolean training, boolean graphs) {
        device = model.device();
        this.training = training;
        this.graphs = new Graphs(device, graphs);
        config = model.config();
        parameters = model.parameters();
        dtype = parameters.dtype();
        layout = parameters.layout();
        rotary = new RotaryTable(device, config);
        activations = new Activations(device, config, dtype, training);
        hidden = config.hiddenSize();
        inner = config.intermediateSize();
        heads = config.numAttentionHeads();
        keyHeads = config.numKeyValueHeads();
        headDim = config.headDim();
        queryWidth = activations.queryWidth();
        qkvWidth = activations.qkvWidth();
        attention = activations.attentionShape();
        epsilon = (float) config.rmsNormEps();
        qkv = new Linear(device, dtype, hidden, qkvWidth);
        output = new Linear(device, dtype, queryWidth, hidden);
        gateUp = new Linear(device, dtype, hidden, 2 * inner);
        down = new Linear(device, dtype, inner, hidden);
    }

    /**
     * Queues the layers; the result, [rows, hidden], is valid until the next pass. A cache receives the rows' keys, and
     * is what they attend to.
     */
    long forward(Pass pass, @Nullable KeyCache cache) {
        rotary.reserve(pass.positionsEnd());
        activations.lay(pass.rows());
        if (cache == null) {
            graphs.run(key(pass), () -> queueForward(pass, null));
        } else {
            queueForward(pass, cache);
        }
        return activations.out;
    }

    /** What activations of so many rows take of the device. */
    long activationBytes(int rows) {
        return activations.bytes(rows);
    }

    /** What the angles of positions below {@code end} take of the device. */
    long rotaryBytes(int end) {
        return rotary.bytes(end);
    }

    private ForwardKey key(Pass pass) {
        return new ForwardKey(
                pass.withPositionsEnd(0),
                activations.out,
                activations.dStream,
                rotary.cosine(),
                rotary.sine(),
                rotary.positions());
    }

    private void queueForward(Pass pass, @Nullable KeyCache cache) {
        long in = activations.layers.get(0).in();
        Embedding.forward(
                device,
                in,
                new Embedding.Table(parameters.weight(layout.embedding), hidden, dtype),
                new Embedding.Indices(pass.ids(), pass.rows(), config.vocabSize()));
        for (int i = 0; i < config.numHiddenLayers(); i++) {
            attend(pass, i, cache);
            feedForward(pass, i);
        }
        long last = activations.layers.get(config.numHiddenLayers() - 1).middle();
        Residual.forward(device, activations.out, last, activations.branch, (long) pass.rows() * hidden, dtype);
        if (training) {
            device.fill(activations.dStream, 0, (long) pass.rows() * bytes(hidden));
        }
    }

    private void attend(Pass pass, int i, @Nullable KeyCache cache) {
        Activations.Layer layer = activations.layers.get(i);
        ParameterLayout.Layer weights = layout.layers.get(i);
        int rows = pass.rows();
        if (i == 0) {
            normalise(layer.inRstd(), layer.in(), weights.attentionNorm(), rows);
        } else {
            long before = activations.layers.get(i - 1).middle();
            addBranch(layer.in(), layer.inRstd(), before, weights.attentionNorm(), rows);
        }
        qkv.forward(layer.qkv(), activations.normed, parameters.weight(weights.qkv()), rows);
        // Queries and keys lie side by side in a row and turn by the same angles: one call rotates both.
        Rope.forward(
                device,
                layer.qkv(),
                new Rope.Positions(pass.positions(), rows),
                new Rope.Table(rotary.cosine(), rotary.sine(), rotary.positions()),
                new Rope.Shape(heads + keyHeads, headDim, qkvWidth, dtype));
        long keys = layer.qkv() + bytes(queryWidth);
        long values = keys + bytes(keyHeads * headDim);
        long keyStride = qkvWidth;
        long keyRows = rows;
        if (cache != null) {
            CopyRows.forward(
                    device,
                    new CopyRows.To(cache.keys(i), pass.cacheRows(), cache.width),
                    new CopyRows.From(keys, 0, qkvWidth),
                    new MatrixShape(rows, cache.width, dtype));
            keys = cache.keys(i);
            values = cache.values(i);
            keyStride = cache.width;
            keyRows = cache.rows();
        }
        Attention.forward(
                device,
                new Attention.Saved(layer.attention(), layer.lse()),
                new Attention.Inputs(layer.qkv(), keys, values),
                segments(pass, keyRows),
                activations.attentionWorkspace,
                attention.withKvStride(keyStride));
        output.forward(activations.branch, layer.attention(), parameters.weight(weights.output()), rows);
    }

    private static Attention.Segments segments(Pass pass, long rows) {
        return new Attention.Segments(pass.segments(), pass.segmentCount(), pass.maxQueries(), rows);
    }

    private void feedForward(Pass pass, int i) {
        Activations.Layer layer = activations.layers.get(i);
        ParameterLayout.Layer weights = layout.layers.get(i);
        int rows = pass.rows();
        addBranch(layer.middle(), layer.middleRstd(), layer.in(), weights.feedForwardNorm(), rows);
        gateUp.forward(layer.gateUp(), activations.normed, parameters.weight(weights.gateUp()), rows);
        Swiglu.forward(device, activations.inner, layer.gateUp(), new MatrixShape(rows, inner, dtype));
        down.forward(activations.branch, activations.inner, parameters.weight(weights.down()), rows);
    }

    /** The residual stream after the branch, and its norm for the next one. */
    private void addBranch(long sum, long rstd, long before, long weight, int rows) {
        RmsNorm.forwardSum(
                device,
                new RmsNorm.Results(activations.normed, rstd),
                new RmsNorm.Inputs(before, parameters.weight(weight)),
                new RmsNorm.Sum(activations.branch, sum),
                new MatrixShape(rows, hidden, dtype),
                epsilon);
    }

    private void normalise(long rstd, long x, long weight, int rows) {
        RmsNorm.forward(
                device,
                new RmsNorm.Results(activations.normed, rstd),
                new RmsNorm.Inputs(x, parameters.weight(weight)),
                new MatrixShape(rows, hidden, dtype),
                epsilon);
    }

    /**
     * Where the caller adds the gradient of {@link #forward}'s result, [rows, hidden], before {@link #backward}; 0 after
     * a forward pass in training.
     */
    long dOut() {
        return activations.dStream;
    }

    /**
     * Queues the backward pass of the last forward: adds to the gradients of all layers and, by the sorted ids, of the
     * embedding.
     */
    void backward(Pass pass, RowsByIndex ids) {
        graphs.run(new BackwardKey(key(pass), ids), () -> queueBackward(pass, ids));
    }

    private void queueBackward(Pass pass, RowsByIndex ids) {
        for (int i = config.numHiddenLayers() - 1; i >= 0; i--) {
            backwardFeedForward(pass, i);
            backwardAttend(pass, i);
        }
        ids.sum(device, parameters.gradient(layout.embedding), activations.dStream, hidden, DType.F32, dtype);
    }

    private void backwardFeedForward(Pass pass, int i) {
        Activations.Layer layer = activations.layers.get(i);
        ParameterLayout.Layer weights = layout.layers.get(i);
        int rows = pass.rows();
        Swiglu.forward(device, activations.inner, layer.gateUp(), new MatrixShape(rows, inner, dtype));
        down.backwardWeight(parameters.gradient(weights.down()), activations.dStream, activations.inner, rows);
        down.backwardInput(activations.dInner, activations.dStream, parameters.weight(weights.down()), rows);
        long dGateUp = layer.gateUp(); // in its own place: nothing reads gate and up after this
        Swiglu.backward(device, dGateUp, activations.dInner, layer.gateUp(), new MatrixShape(rows, inner, dtype));
        normalise(layer.middleRstd(), layer.middle(), weights.feedForwardNorm(), rows);
        gateUp.backwardWeight(parameters.gradient(weights.gateUp()), dGateUp, activations.normed, rows);
        gateUp.backwardInput(activations.branch, dGateUp, parameters.weight(weights.gateUp()), rows);
        backwardNorm(layer.middle(), layer.middleRstd(), weights.feedForwardNorm(), rows);
    }

    private void backwardAttend(Pass pass, int i) {
        Activations.Layer layer = activations.layers.get(i);
        ParameterLayout.Layer weights = layout.layers.get(i);
        int rows = pass.rows();
        output.backwardWeight(parameters.gradient(weights.output()), activations.dStream, layer.attention(), rows);
        output.backwardInput(activations.dAttention, activations.dStream, parameters.weight(weights.output()), rows);
        long keys = bytes(queryWidth);
        long values = keys + bytes(keyHeads * headDim);
        long q = layer.qkv();
        long dQ = activations.dQkv;
        Attention.backward(
                device,
                new Attention.Gradients(activations.dAttention, dQ, dQ + keys, dQ + values),
                new Attention.Inputs(q, q + keys, q + values),
                new Attention.Saved(layer.attention(), layer.lse()),
                segments(pass, rows),
                activations.attentionWorkspace,
                attention);
        Rope.backward(
                device,
                dQ,
                new Rope.Positions(pass.positions(), rows),
                new Rope.Table(rotary.cosine(), rotary.sine(), rotary.positions()),
                new Rope.Shape(heads + keyHeads, headDim, qkvWidth, dtype));
        normalise(layer.inRstd(), layer.in(), weights.attentionNorm(), rows);
        qkv.backwardWeight(parameters.gradient(weights.qkv()), dQ, activations.normed, rows);
        qkv.backwardInput(activations.branch, dQ, parameters.weight(weights.qkv()), rows);
        backwardNorm(layer.in(), layer.inRstd(), weights.attentionNorm(), rows);
    }

    /** The gradient goes around the branch and through its norm: dStream += d norm(x) from the branch's gradient. */
    private void backwardNorm(long x, long rstd, long weight, int rows) {
        RmsNorm.backward(
                device,
                new RmsNorm.Gradients(
                        activations.branch, activations.dStream, activations.dStream, parameters.gradient(weight)),
                new RmsNorm.Inputs(x, parameters.weight(weight)),
                rstd,
                activations.normWorkspace,
                new MatrixShape(rows, hidden, dtype));
    }

    private long bytes(int elements) {
        return (long) elements * dtype.bytes();
    }

    @Override
    public void close() {
        graphs.close();
        activations.close();
        rotary.close();
    }
}
