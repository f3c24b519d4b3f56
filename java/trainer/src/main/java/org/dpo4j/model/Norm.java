package org.dpo4j.model;

import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.decoder.RmsNorm;
import org.dpo4j.model.family.Architecture.NormTraits;

/** RMSNorm with its weight. Only rstd is kept for backward, which recomputes the output because it is cheap. */
final class Norm {
    private final Device device;
    private final DType dtype;
    private final Parameters parameters;
    private final Parameter weight;
    private final Axis elements;
    private final float epsilon;

    Norm(Parameters parameters, Parameter weight, NormTraits traits) {
        this.device = parameters.device();
        this.dtype = parameters.dtype();
        this.parameters = parameters;
        this.weight = weight;
        this.elements = weight.rows();
        this.epsilon = (float) traits.epsilon();
    }

    /**
     * Results of forward that backward reads.
     *
     * @param rstd f32[rows], 1 / sqrt(mean(x^2) + epsilon)
     */
    record Saved(long rstd) {}

    Saved placeSaved(Layout layout, int rows) {
        return new Saved(layout.words(rows));
    }

    /** Places the temporary memory of {@link #backward}. */
    long placeWorkspace(Layout layout, int rows) {
        return layout.allocate(RmsNorm.backwardWorkspaceBytes(rows, elements.paddedSize()));
    }

    /** normed = norm(x). */
    void forward(long normed, Saved saved, long x, int rows) {
        RmsNorm.forward(device, new RmsNorm.Results(normed, saved.rstd), inputs(x), shape(rows), epsilon);
    }

    /** sum = x + branch, normed = norm(sum), in one pass. */
    void forwardSum(long normed, Saved saved, long sum, long x, long branch, int rows) {
        RmsNorm.forwardSum(
                device,
                new RmsNorm.Results(normed, saved.rstd),
                inputs(x),
                new RmsNorm.Sum(branch, sum),
                shape(rows),
                epsilon);
    }

    /**
     * dX = dResidual + gradient of x. Adds to the gradient of the weight. {@code dResidual} may be {@code dX}, or 0 for
     * none.
     */
    void backward(long dX, long dNormed, long dResidual, long x, Saved saved, long workspace, int rows) {
        RmsNorm.backward(
                device,
                new RmsNorm.Gradients(dNormed, dResidual, dX, parameters.gradient(weight)),
                inputs(x),
                saved.rstd,
                workspace,
                shape(rows));
    }

    private RmsNorm.Inputs inputs(long x) {
        return new RmsNorm.Inputs(x, parameters.weight(weight));
    }

    private RmsNorm.Shape shape(int rows) {
        return new RmsNorm.Shape(rows, elements.paddedSize(), elements.size(), dtype);
    }
}
