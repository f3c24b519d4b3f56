package org.dpo4j.model;

import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.decoder.Residual;
import org.dpo4j.model.family.Architecture;
import org.dpo4j.model.family.Architecture.NormPlacement;
import org.dpo4j.model.family.ParameterKind;
import org.jspecify.annotations.Nullable;

/**
 * One layer: two branches, one after the other, or both of the same input.
 *
 * <pre>
 *   middle = in + after(attention(before(in)))      middle = in + attention(before(in))
 *   out    = middle + after(mlp(before(middle)))    out    = middle + mlp(before(in))
 * </pre>
 *
 * {@link BranchNorms} are the norms before and after a branch. The norm that reads a sum also computes it, in one pass.
 * So a layer leaves {@code middle} and the result of the second branch, and the next layer computes their sum {@code
 * out}, which is its {@code in}.
 */
final class Layer {
    private final Device device;
    private final DType dtype;
    private final int hiddenSize;
    private final boolean isParallel;
    private final BranchNorms attentionNorms;
    private final SelfAttention attention;
    private final BranchNorms mlpNorms;
    private final Mlp mlp;

    Layer(Weights weights, Architecture architecture, int layer, RotaryTables rotary) {
        this.device = weights.device();
        this.dtype = weights.dtype();
        ParameterLayout layout = weights.layout();
        this.hiddenSize = layout.sizes().hiddenSize();
        this.isParallel = architecture.norm().placement() == NormPlacement.BEFORE_PARALLEL_BRANCHES;
        this.attentionNorms = new BranchNorms(
                weights, architecture.norm(), ParameterKind.ATTENTION_NORM, ParameterKind.ATTENTION_OUTPUT_NORM, layer);
        this.attention = new SelfAttention(weights, architecture, layer, rotary);
        this.mlpNorms = new BranchNorms(
                weights, architecture.norm(), ParameterKind.MLP_NORM, ParameterKind.MLP_OUTPUT_NORM, layer);
        this.mlp = new Mlp(weights, architecture.mlp(), layer);
    }

    /**
     * Activations that forward writes and backward reads.
     *
     * @param in [rows, hiddenSize], hidden states before attention
     * @param middle [rows, hiddenSize], hidden states after attention
     */
    record Saved(
            long in,
            long middle,
            BranchNorms.Saved attentionNorms,
            SelfAttention.Saved attention,
            BranchNorms.Saved mlpNorms,
            Mlp.Saved mlp) {}

    /**
     * Temporary memory of forward and backward. All layers share it.
     *
     * @param normed [rows, hiddenSize], output of the norm before a branch
     * @param branch [rows, hiddenSize], result of a branch, to be added to the hidden states; in backward the gradient
     *     of the branch's input
     * @param inner [rows, innerSize]
     */
    record Scratch(long normed, long branch, long inner, long attentionWorkspace) {}

    /**
     * Further temporary memory of backward. All layers share it.
     *
     * @param dIn [rows, hiddenSize], the gradient of the input without that through attention; 0 unless both branches
     *     read it
     */
    record Gradients(Mlp.Gradients mlp, SelfAttention.Gradients attention, BranchNorms.Workspace norms, long dIn) {}

    Saved placeSaved(Layout layout, int rows, long in, long middle) {
        return new Saved(
                in,
                middle,
                attentionNorms.placeSaved(layout, rows),
                attention.placeSaved(layout, rows),
                mlpNorms.placeSaved(layout, rows),
                mlp.placeSaved(layout, rows));
    }

    Scratch placeScratch(Layout layout, int rows) {
        return new Scratch(
                layout.matrix(rows, hiddenSize, dtype),
                layout.matrix(rows, hiddenSize, dtype),
                mlp.placeInner(layout, rows),
                SelfAttention.placeWorkspace(layout));
    }

    Gradients placeGradients(Layout layout, int rows) {
        return new Gradients(
                mlp.placeGradients(layout, rows),
                attention.placeGradients(layout, rows),
                mlpNorms.placeWorkspace(layout, rows),
                isParallel ? layout.matrix(rows, hiddenSize, dtype) : 0);
    }

    /**
     * Computes {@code middle} and the result of the MLP's branch, which is left in {@code scratch.branch} and not yet
     * added.
     *
     * @param before {@code middle} of the previous layer, whose last result is in {@code scratch.branch}; 0 if {@code
     *     in} is already computed
     */
    void forward(Pass pass, long before, Saved saved, Scratch scratch, @Nullable KeyCache cache) {
        int rows = pass.rows();
        long input = forwardToMlp(pass, before, saved, scratch, cache);
        mlp.forward(mlpNorms.output(scratch.branch, saved.mlpNorms), input, saved.mlp, scratch.inner, rows);
        mlpNorms.forwardAfter(scratch.branch, saved.mlpNorms, rows);
    }

    /**
     * Computes what {@link #backward} reads again, with the same bits, from {@code in}: all that forward computes, without the
     * result of the MLP if no norm reads it.
     */
    void recompute(Pass pass, Saved saved, Scratch scratch) {
        if (mlpNorms.hasAfter()) {
            forward(pass, 0, saved, scratch, null);
        } else {
            long input = forwardToMlp(pass, 0, saved, scratch, null);
            mlp.recompute(input, saved.mlp, scratch.inner, pass.rows());
        }
    }

    /** Computes all but the MLP's branch. Returns the address of its input. */
    private long forwardToMlp(Pass pass, long before, Saved saved, Scratch scratch, @Nullable KeyCache cache) {
        return isParallel
                ? forwardParallel(pass, before, saved, scratch, cache)
                : forwardSerial(pass, before, saved, scratch, cache);
    }

    private long forwardSerial(Pass pass, long before, Saved saved, Scratch scratch, @Nullable KeyCache cache) {
        int rows = pass.rows();
        long branch = scratch.branch;
        long input = attentionNorms.forwardBefore(scratch.normed, saved.attentionNorms, saved.in, before, branch, rows);
        long output = attentionNorms.output(branch, saved.attentionNorms);
        attention.forward(output, input, saved.attention, scratch.attentionWorkspace, pass, cache);
        attentionNorms.forwardAfter(branch, saved.attentionNorms, rows);
        return mlpNorms.forwardBefore(scratch.normed, saved.mlpNorms, saved.middle, saved.in, branch, rows);
    }

    /** The MLP's input is computed before {@code middle}, which may be in the place of {@code in}. */
    private long forwardParallel(Pass pass, long before, Saved saved, Scratch scratch, @Nullable KeyCache cache) {
        int rows = pass.rows();
        long branch = scratch.branch;
        long input = attentionNorms.forwardBefore(scratch.normed, saved.attentionNorms, saved.in, before, branch, rows);
        attention.forward(branch, input, saved.attention, scratch.attentionWorkspace, pass, cache);
        input = mlpNorms.forwardBefore(scratch.normed, saved.mlpNorms, saved.in, 0, 0, rows);
        Residual.forward(device, saved.middle, saved.in, branch, (long) rows * hiddenSize, dtype);
        return input;
    }

    /**
     * Replaces the gradient of {@code out} in {@code dHidden} by that of {@code in}. Each branch adds its gradient to
     * {@code dHidden}, which already is the gradient of the residual connection.
     */
    void backward(Pass pass, long dHidden, Saved saved, Scratch scratch, Gradients gradients) {
        if (isParallel) {
            backwardParallel(pass, dHidden, saved, scratch, gradients);
        } else {
            backwardSerial(pass, dHidden, saved, scratch, gradients);
        }
    }

    private void backwardSerial(Pass pass, long dHidden, Saved saved, Scratch scratch, Gradients gradients) {
        int rows = pass.rows();
        long dInput = scratch.branch;
        long dOutput = mlpNorms.backwardAfter(dHidden, saved.mlpNorms, gradients.norms, rows);
        long input = mlpNorms.recomputeBefore(scratch.normed, saved.mlpNorms, saved.middle, rows);
        mlp.backward(dInput, dOutput, input, saved.mlp, scratch.inner, gradients.mlp, rows);
        mlpNorms.backwardBefore(dHidden, dHidden, dInput, saved.middle, saved.mlpNorms, gradients.norms, rows);
        dOutput = attentionNorms.backwardAfter(dHidden, saved.attentionNorms, gradients.norms, rows);
        input = attentionNorms.recomputeBefore(scratch.normed, saved.attentionNorms, saved.in, rows);
        attention.backward(dInput, dOutput, input, saved.attention, gradients.attention, pass);
        attentionNorms.backwardBefore(dHidden, dHidden, dInput, saved.in, saved.attentionNorms, gradients.norms, rows);
    }

    /** {@code dHidden} stays the gradient of {@code out}, hence of both branches, until attention has read it. */
    private void backwardParallel(Pass pass, long dHidden, Saved saved, Scratch scratch, Gradients gradients) {
        int rows = pass.rows();
        long dInput = scratch.branch;
        long input = mlpNorms.recomputeBefore(scratch.normed, saved.mlpNorms, saved.in, rows);
        mlp.backward(dInput, dHidden, input, saved.mlp, scratch.inner, gradients.mlp, rows);
        mlpNorms.backwardBefore(gradients.dIn, dHidden, dInput, saved.in, saved.mlpNorms, gradients.norms, rows);
        input = attentionNorms.recomputeBefore(scratch.normed, saved.attentionNorms, saved.in, rows);
        attention.backward(dInput, dHidden, input, saved.attention, gradients.attention, pass);
        attentionNorms.backwardBefore(
                dHidden, gradients.dIn, dInput, saved.in, saved.attentionNorms, gradients.norms, rows);
    }
}
