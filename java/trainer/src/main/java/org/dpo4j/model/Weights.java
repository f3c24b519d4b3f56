package org.dpo4j.model;

import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.model.family.ParameterKind;
import org.jspecify.annotations.Nullable;

/**
 * What the blocks of a decoder compute with: the weights of a model, and those of its adapter if it has one. With an
 * adapter the weights of the model are frozen, so they have no gradients.
 */
record Weights(
        Parameters base, ParameterLayout layout, @Nullable Adapter adapter) {
    /** The address of a gradient that is not computed. */
    static final long FROZEN = 0;

    Device device() {
        return base.device();
    }

    DType dtype() {
        return base.dtype();
    }

    /** Whether the weights of the model are frozen. */
    boolean isFrozen() {
        return adapter != null;
    }

    /** Address of a parameter of the model. */
    long weight(Parameter parameter) {
        return base.weight(parameter);
    }

    /** Address of the matrix of a projection. A 4-bit matrix is decoded first, and is there until the next one is. */
    long matrix(Parameter parameter) {
        return base.matrix(parameter);
    }

    /** Whether the matrix of a projection is stored in panels. */
    boolean hasPanels(Parameter parameter) {
        return base.hasPanels(parameter);
    }

    /** Address of the gradient of a parameter of the model, or {@link #FROZEN}. */
    long gradient(Parameter parameter) {
        return isFrozen() ? FROZEN : base.gradient(parameter);
    }

    /** The gradients of the parameters of the model, which must not be frozen. */
    WeightGradients gradients() {
        return base.weightGradients();
    }

    /** The adapters of a projection; null if it has none. */
    @Nullable
    LowRank lowRank(ParameterKind projection, int layer) {
        return adapter == null ? null : adapter.lowRank(projection, layer);
    }

    /** Max of {@link LowRank#width} over all projections; 0 without an adapter. */
    int maxLowRankWidth() {
        return adapter == null ? 0 : adapter.maxWidth();
    }
}
