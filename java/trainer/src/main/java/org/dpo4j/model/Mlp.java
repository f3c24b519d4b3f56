package org.dpo4j.model;

import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.decoder.Activation;
import org.dpo4j.kernels.decoder.MatrixShape;
import org.dpo4j.model.family.Architecture.MlpTraits;
import org.dpo4j.model.family.ParameterKind;

/**
 * The MLP of a layer: {@code branch = activation(x Wup^T) Wdown^T}, where x is the output of the norm. With a gate, the
 * rows of Wup are those of gate and up, so one product computes both.
 */
final class Mlp {
    private final Device device;
    private final DType dtype;
    private final Activation.Function function;
    private final int innerSize;
    private final Weights weights;
    private final Projection up;
    private final Projection down;

    Mlp(Weights weights, MlpTraits traits, int layer) {
        this.weights = weights;
        this.device = weights.device();
        this.dtype = weights.dtype();
        this.function = traits.function();
        this.innerSize = weights.layout().sizes().innerSize();
        this.up = new Projection(weights, function.isGated() ? ParameterKind.GATE_UP : ParameterKind.UP, layer);
        this.down = new Projection(weights, ParameterKind.DOWN, layer);
    }

    /**
     * Activations that forward writes and backward reads. Backward overwrites them with their gradient.
     *
     * @param up [rows, innerSize]; with a gate [rows, 2 innerSize]
     * @param upSaved {@link Projection#placeSaved} of up
     * @param downSaved that of down
     */
    record Saved(long up, long upSaved, long downSaved) {}

    /**
     * Temporary memory of backward.
     *
     * @param dInner [rows, innerSize]
     * @param projection {@link Projection#placeGradient}
     */
    record Gradients(long dInner, long projection) {}

    Saved placeSaved(Layout layout, int rows) {
        return new Saved(
                layout.matrix(rows, function.isGated() ? 2L * innerSize : innerSize, dtype),
                up.placeSaved(layout, rows),
                down.placeSaved(layout, rows));
    }

    Gradients placeGradients(Layout layout, int rows) {
        return new Gradients(placeInner(layout, rows), Projection.placeGradient(layout, rows, weights));
    }

    /** Places [rows, innerSize]: {@code inner} of forward and backward. */
    long placeInner(Layout layout, int rows) {
        return layout.matrix(rows, innerSize, dtype);
    }

    void forward(long branch, long normed, Saved saved, long inner, int rows) {
        up.forward(saved.up, normed, saved.upSaved, rows);
        Activation.forward(device, function, inner, saved.up, shape(rows));
        down.forward(branch, inner, saved.downSaved, rows);
    }

    /** Computes {@code saved} as {@link #forward} does, without {@code branch}. */
    void recompute(long normed, Saved saved, long inner, int rows) {
        up.forward(saved.up, normed, saved.upSaved, rows);
        if (down.hasAdapters()) {
            Activation.forward(device, function, inner, saved.up, shape(rows));
            down.recompute(inner, saved.downSaved, rows);
        }
    }

    /**
     * Writes the gradient of {@code normed}, and adds to the gradients of the weights. Recomputes {@code inner} if a
     * gradient is computed from it.
     */
    void backward(long dNormed, long dBranch, long normed, Saved saved, long inner, Gradients gradients, int rows) {
        if (down.readsInput()) {
            Activation.forward(device, function, inner, saved.up, shape(rows));
        }
        long dInner = gradients.dInner;
        down.backward(dInner, dBranch, inner, saved.downSaved, gradients.projection, rows);
        long dUp = saved.up; // in place: nothing reads the activations after this
        Activation.backward(device, function, dUp, dInner, saved.up, shape(rows));
        up.backward(dNormed, dUp, normed, saved.upSaved, gradients.projection, rows);
    }

    private MatrixShape shape(int rows) {
        return new MatrixShape(rows, innerSize, dtype);
    }
}
