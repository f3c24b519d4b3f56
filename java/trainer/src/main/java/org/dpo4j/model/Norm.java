package org.dpo4j.model;

import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.decoder.LayerNorm;
import org.dpo4j.kernels.decoder.RmsNorm;
import org.dpo4j.model.family.Architecture.NormKind;
import org.dpo4j.model.family.Architecture.NormTraits;
import org.dpo4j.model.family.ParameterKind;
import org.jspecify.annotations.Nullable;

/**
 * RMSNorm with its weight, or LayerNorm with weight and bias. Only mean and rstd are kept for backward, which recomputes
 * the output because it is cheap.
 */
final class Norm {
    private final Device device;
    private final DType dtype;
    private final Weights weights;
    private final Parameter weight;
    /** Of LayerNorm; null: RMSNorm. */
    private final @Nullable Parameter bias;

    private final Axis elements;
    private final int groups;
    private final RmsNorm.Strides strides;
    private final float epsilon;
    private final float weightOffset;

    /**
     * Of contiguous rows.
     *
     * @param kind the weight
     */
    Norm(Weights weights, ParameterKind kind, int layer, NormTraits traits) {
        this(
                weights,
                weights.layout().parameter(kind, layer),
                weights.layout().biasOrNull(kind, layer),
                traits,
                1,
                null);
    }

    /** RMSNorm of {@code groups} adjacent groups of each row, all with the same weight. */
    Norm(Weights weights, Parameter weight, NormTraits traits, int groups, RmsNorm.Strides strides) {
        this(weights, weight, null, traits, groups, strides);
    }

    private Norm(
            Weights weights,
            Parameter weight,
            @Nullable Parameter bias,
            NormTraits traits,
            int groups,
            RmsNorm.@Nullable Strides strides) {
        this.device = weights.device();
        this.dtype = weights.dtype();
        this.weights = weights;
        this.weight = weight;
        this.bias = bias;
        this.elements = weight.rows();
        this.groups = groups;
        this.strides = strides == null ? new RmsNorm.Strides(elements.paddedSize(), elements.paddedSize()) : strides;
        this.epsilon = (float) traits.epsilon();
        this.weightOffset = traits.kind() == NormKind.RMS_NORM_PLUS_ONE ? 1 : 0;
    }

    /**
     * Results of forward that backward reads.
     *
     * @param mean f32[rows] of LayerNorm; 0 of RMSNorm
     * @param rstd f32[rows, groups], the reciprocal of the standard deviation, or of the root of the mean square
     */
    record Saved(long mean, long rstd) {
        /** Of a norm that does not exist. */
        static final Saved NONE = new Saved(0, 0);
    }

    Saved placeSaved(Layout layout, int rows) {
        return new Saved(bias == null ? 0 : layout.words(rows), layout.words((long) rows * groups));
    }

    /** Places the temporary memory of {@link #backward}. */
    long placeWorkspace(Layout layout, int rows) {
        return layout.allocate(workspaceBytes(rows));
    }

    /** Bytes of the temporary memory of {@link #backward}. */
    long workspaceBytes(int rows) {
        return bias == null
                ? RmsNorm.backwardWorkspaceBytes((long) rows * groups, elements.paddedSize())
                : LayerNorm.backwardWorkspaceBytes(rows, elements.paddedSize());
    }

    /** normed = norm(x). */
    void forward(long normed, Saved saved, long x, int rows) {
        if (bias == null) {
            RmsNorm.forward(device, new RmsNorm.Results(normed, saved.rstd), inputs(x), shape(rows), epsilon);
        } else {
            LayerNorm.forward(device, normed, layerSaved(saved), layerInputs(x, bias), layerShape(rows), epsilon);
        }
    }

    /** sum = x + branch, normed = norm(sum), in one pass. */
    void forwardSum(long normed, Saved saved, long sum, long x, long branch, int rows) {
        if (bias == null) {
            RmsNorm.Results results = new RmsNorm.Results(normed, saved.rstd);
            RmsNorm.forwardSum(device, results, inputs(x), new RmsNorm.Sum(branch, sum), shape(rows), epsilon);
        } else {
            LayerNorm.forwardSum(
                    device,
                    normed,
                    layerSaved(saved),
                    layerInputs(x, bias),
                    new LayerNorm.Sum(branch, sum),
                    layerShape(rows),
                    epsilon);
        }
    }

    /**
     * dX = dResidual + gradient of x. Adds to the gradients of weight and bias. {@code dResidual} may be {@code dX}, or
     * 0 for none. {@code dNormed} may be {@code dX} too.
     */
    void backward(long dX, long dNormed, long dResidual, long x, Saved saved, long workspace, int rows) {
        long dWeight = weights.gradient(weight);
        if (bias == null) {
            RmsNorm.backward(
                    device,
                    new RmsNorm.Gradients(dNormed, dResidual, dX, dWeight),
                    inputs(x),
                    saved.rstd,
                    workspace,
                    shape(rows));
        } else {
            LayerNorm.backward(
                    device,
                    new LayerNorm.Gradients(dNormed, dResidual, dX, dWeight, weights.gradient(bias)),
                    layerInputs(x, bias),
                    layerSaved(saved),
                    workspace,
                    layerShape(rows));
        }
    }

    private RmsNorm.Inputs inputs(long x) {
        return new RmsNorm.Inputs(x, weights.weight(weight), weightOffset);
    }

    private RmsNorm.Shape shape(int rows) {
        return new RmsNorm.Shape(rows, groups, elements.paddedSize(), elements.size(), strides, dtype);
    }

    private LayerNorm.Inputs layerInputs(long x, Parameter bias) {
        return new LayerNorm.Inputs(x, weights.weight(weight), weights.weight(bias));
    }

    private static LayerNorm.Saved layerSaved(Saved saved) {
        return new LayerNorm.Saved(saved.mean, saved.rstd);
    }

    private LayerNorm.Shape layerShape(int rows) {
        return new LayerNorm.Shape(rows, elements.paddedSize(), elements.size(), dtype);
    }
}
