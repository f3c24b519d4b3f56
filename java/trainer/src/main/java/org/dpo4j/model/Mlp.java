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
    private final Projection up;
    private final Projection down;

    Mlp(Parameters parameters, MlpTraits traits, int layer) {
        this.device = parameters.device();
        this.dtype = parameters.dtype();
        this.function = traits.function();
        this.innerSize = parameters.layout().sizes().innerSize();
        this.up = new Projection(parameters, function.isGated() ? ParameterKind.GATE_UP : ParameterKind.UP, layer);
        this.down = new Projection(parameters, ParameterKind.DOWN, layer);
    }

    /**
     * Activations that forward writes and backward reads. Backward overwrites them with their gradient.
     *
     * @param up [rows, innerSize]; with a gate [rows, 2 innerSize]
     */
    record Saved(long up) {}

    Saved placeSaved(Layout layout, int rows) {
        return new Saved(layout.matrix(rows, function.isGated() ? 2L * innerSize : innerSize, dtype));
    }

    /** Places [rows, innerSize]: {@code inner} of forward and backward, or {@code dInner} of backward. */
    long placeInner(Layout layout, int rows) {
        return layout.matrix(rows, innerSize, dtype);
    }

    void forward(long branch, long normed, Saved saved, long inner, int rows) {
        up.forward(saved.up, normed, rows);
        Activation.forward(device, function, inner, saved.up, shape(rows));
        down.forward(branch, inner, rows);
    }

    /** Writes the gradient of {@code normed}, and adds to the gradients of the weights. Recomputes {@code inner}. */
    void backward(long dNormed, long dBranch, long normed, Saved saved, long inner, long dInner, int rows) {
        Activation.forward(device, function, inner, saved.up, shape(rows));
        down.backwardWeight(dBranch, inner, rows);
        down.backwardInput(dInner, dBranch, rows);
        long dUp = saved.up; // in place: nothing reads the activations after this
        Activation.backward(device, function, dUp, dInner, saved.up, shape(rows));
        up.backwardWeight(dUp, normed, rows);
        up.backwardInput(dNormed, dUp, rows);
    }

    private MatrixShape shape(int rows) {
        return new MatrixShape(rows, innerSize, dtype);
    }
}
