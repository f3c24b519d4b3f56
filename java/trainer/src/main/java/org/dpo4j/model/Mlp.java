package org.dpo4j.model;

import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.decoder.MatrixShape;
import org.dpo4j.kernels.decoder.Swiglu;
import org.dpo4j.model.family.ParameterKind;

/** The MLP of a layer: {@code branch = swiglu(x Wgu^T) Wdown^T}, where x is the output of the norm. */
final class Mlp {
    private final Device device;
    private final DType dtype;
    private final int innerSize;
    private final Projection gateUp;
    private final Projection down;

    Mlp(Parameters parameters, int layer) {
        this.device = parameters.device();
        this.dtype = parameters.dtype();
        ParameterLayout layout = parameters.layout();
        this.innerSize = layout.sizes().innerSize();
        this.gateUp = new Projection(parameters, ParameterKind.GATE_UP, ParameterKind.GATE_UP_BIAS, layer);
        this.down = new Projection(parameters, ParameterKind.DOWN, ParameterKind.DOWN_BIAS, layer);
    }

    /**
     * Activations that forward writes and backward reads. Backward overwrites them with their gradient.
     *
     * @param gateUp [rows, 2 innerSize]
     */
    record Saved(long gateUp) {}

    Saved placeSaved(Layout layout, int rows) {
        return new Saved(layout.matrix(rows, 2L * innerSize, dtype));
    }

    /** Places [rows, innerSize]: {@code inner} of forward and backward, or {@code dInner} of backward. */
    long placeInner(Layout layout, int rows) {
        return layout.matrix(rows, innerSize, dtype);
    }

    void forward(long branch, long normed, Saved saved, long inner, int rows) {
        gateUp.forward(saved.gateUp, normed, rows);
        Swiglu.forward(device, inner, saved.gateUp, shape(rows));
        down.forward(branch, inner, rows);
    }

    /** Writes the gradient of {@code normed}, and adds to the gradients of the weights. Recomputes {@code inner}. */
    void backward(long dNormed, long dBranch, long normed, Saved saved, long inner, long dInner, int rows) {
        Swiglu.forward(device, inner, saved.gateUp, shape(rows));
        down.backwardWeight(dBranch, inner, rows);
        down.backwardInput(dInner, dBranch, rows);
        long dGateUp = saved.gateUp; // in place: nothing reads gate and up after this
        Swiglu.backward(device, dGateUp, dInner, saved.gateUp, shape(rows));
        gateUp.backwardWeight(dGateUp, normed, rows);
        gateUp.backwardInput(dNormed, dGateUp, rows);
    }

    private MatrixShape shape(int rows) {
        return new MatrixShape(rows, innerSize, dtype);
    }
}
