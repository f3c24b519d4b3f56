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
    private final int groups;
    private final RmsNorm.Strides strides;
    private final float epsilon;
    private final float weightOffset;

    /** Of contiguous rows. */
    Norm(Parameters parameters, Parameter weight, NormTraits traits) {
        this(
                parameters,
                weight,
                traits,
                1,
                new RmsNorm.Strides(weight.rows().paddedSize(), weight.rows().paddedSize()));
    }

    /** Of {@code groups} adjacent groups of each row, all with the same weight. */
    Norm(Parameters parameters, Parameter weight, NormTraits traits, int groups, RmsNorm.Strides strides) {
        this.device = parameters.device();
        this.dtype = parameters.dtype();
        this.parameters = parameters;
        this.weight = weight;
        this.elements = weight.rows();
        this.groups = groups;
        this.strides = strides;
        this.epsilon = (float) traits.epsilon();
        this.weightOffset = (float) traits.weightOffset();
    }

    /**
     * Results of forward that backward reads.
     *
     * @param rstd f32[rows, groups], 1 / sqrt(mean(x^2) + epsilon)
     */
    record Saved(long rstd) {
        /** Of a norm that does not exist. */
        static final Saved NONE = new Saved(0);
    }

    Saved placeSaved(Layout layout, int rows) {
        return new Saved(layout.words((long) rows * groups));
    }

    /** Places the temporary memory of {@link #backward}. */
    long placeWorkspace(Layout layout, int rows) {
        return layout.allocate(workspaceBytes(rows));
    }

    /** Bytes of the temporary memory of {@link #backward}. */
    long workspaceBytes(int rows) {
        return RmsNorm.backwardWorkspaceBytes((long) rows * groups, elements.paddedSize());
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
     * none. {@code dNormed} may be {@code dX} too.
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
        return new RmsNorm.Inputs(x, parameters.weight(weight), weightOffset);
    }

    private RmsNorm.Shape shape(int rows) {
        return new RmsNorm.Shape(rows, groups, elements.paddedSize(), elements.size(), strides, dtype);
    }
}
