package org.dpo4j.model;

import java.util.Objects;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.decoder.Residual;
import org.dpo4j.model.family.Architecture.NormPlacement;
import org.dpo4j.model.family.Architecture.NormTraits;
import org.dpo4j.model.family.ParameterKind;
import org.jspecify.annotations.Nullable;

/**
 * The norms of a branch of a layer: {@code x + after(branch(before(x)))}. At least one of the two exists, and the other
 * is the identity. A norm before the branch that reads a sum also computes it, in one pass.
 */
final class BranchNorms {
    private final Device device;
    private final DType dtype;
    private final int hiddenSize;
    private final @Nullable Norm before;
    private final @Nullable Norm after;

    /**
     * @param before the weight of the norm before the branch
     * @param after the weight of the norm after it
     */
    BranchNorms(Weights weights, NormTraits traits, ParameterKind before, ParameterKind after, int layer) {
        this.device = weights.device();
        this.dtype = weights.dtype();
        ParameterLayout layout = weights.layout();
        this.hiddenSize = layout.sizes().hiddenSize();
        NormPlacement placement = traits.placement();
        this.before = placement.hasBefore() ? new Norm(weights, before, layer, traits) : null;
        this.after = placement.hasAfter() ? new Norm(weights, after, layer, traits) : null;
    }

    /**
     * Activations that forward writes and backward reads.
     *
     * @param output [rows, hiddenSize], output of the branch before the norm after it; 0 without such a norm
     */
    record Saved(Norm.Saved before, long output, Norm.Saved after) {}

    /**
     * Temporary memory of backward.
     *
     * @param norm memory of {@link Norm#backward}
     * @param dOutput [rows, hiddenSize], the gradient of {@link Saved#output}
     */
    record Workspace(long norm, long dOutput) {}

    Saved placeSaved(Layout layout, int rows) {
        return new Saved(
                before == null ? Norm.Saved.NONE : before.placeSaved(layout, rows),
                after == null ? 0 : layout.matrix(rows, hiddenSize, dtype),
                after == null ? Norm.Saved.NONE : after.placeSaved(layout, rows));
    }

    Workspace placeWorkspace(Layout layout, int rows) {
        Norm either = Objects.requireNonNull(before == null ? after : before);
        return new Workspace(
                either.placeWorkspace(layout, rows), after == null ? 0 : layout.matrix(rows, hiddenSize, dtype));
    }

    /**
     * Computes {@code sum = x + branch}, unless x is 0: then {@code sum} is already computed. Returns the address of the
     * branch's input: {@code normed}, which is written, or {@code sum} if no norm is before the branch.
     */
    long forwardBefore(long normed, Saved saved, long sum, long x, long branch, int rows) {
        if (before == null) {
            if (x != 0) {
                add(sum, x, branch, rows);
            }
            return sum;
        }
        if (x == 0) {
            before.forward(normed, saved.before, sum, rows);
        } else {
            before.forwardSum(normed, saved.before, sum, x, branch, rows);
        }
        return normed;
    }

    /** Whether a norm is after the branch. */
    boolean hasAfter() {
        return after != null;
    }

    /** Where the branch writes its output, for {@link #forwardAfter} to leave its result in {@code branch}. */
    long output(long branch, Saved saved) {
        return after == null ? branch : saved.output;
    }

    void forwardAfter(long branch, Saved saved, int rows) {
        if (after != null) {
            after.forward(branch, saved.after, saved.output, rows);
        }
    }

    /**
     * Returns the address of the gradient of the branch's output. Adds to the gradients of the norm.
     *
     * @param dSum gradient of {@code x + after(output)}, which is also that of {@code after(output)}
     */
    long backwardAfter(long dSum, Saved saved, Workspace workspace, int rows) {
        if (after == null) {
            return dSum;
        }
        after.backward(workspace.dOutput, dSum, 0, saved.output, saved.after, workspace.norm, rows);
        return workspace.dOutput;
    }

    /** As {@link #forwardBefore} once {@code x} is computed. */
    long recomputeBefore(long normed, Saved saved, long x, int rows) {
        return forwardBefore(normed, saved, x, 0, 0, rows);
    }

    /**
     * dX = dResidual + the gradient through the branch. Adds to the gradients of the norm. {@code dX} may be {@code
     * dResidual}.
     *
     * @param dInput gradient of the branch's input
     */
    void backwardBefore(long dX, long dResidual, long dInput, long x, Saved saved, Workspace workspace, int rows) {
        if (before == null) {
            add(dX, dResidual, dInput, rows);
        } else {
            before.backward(dX, dInput, dResidual, x, saved.before, workspace.norm, rows);
        }
    }

    private void add(long sum, long a, long b, int rows) {
        Residual.forward(device, sum, a, b, (long) rows * hiddenSize, dtype);
    }
}
