package org.dpo4j.model;

import org.dpo4j.kernels.DType;
import org.dpo4j.model.family.Architecture;
import org.dpo4j.model.family.ParameterKind;
import org.jspecify.annotations.Nullable;

/**
 * One layer, serial with a norm before each branch:
 *
 * <pre>
 *   middle = in + attention(norm(in))
 *   out    = middle + mlp(norm(middle))
 * </pre>
 *
 * The norm that reads a sum also computes it, in one pass. So a layer leaves {@code middle} and the output of its MLP,
 * and the next layer computes their sum {@code out}, which is its {@code in}.
 */
final class Layer {
    private final DType dtype;
    private final int hiddenSize;
    private final Norm attentionNorm;
    private final SelfAttention attention;
    private final Norm mlpNorm;
    private final Mlp mlp;

    Layer(Parameters parameters, Architecture architecture, int layer, RotaryTables rotary) {
        this.dtype = parameters.dtype();
        ParameterLayout layout = parameters.layout();
        this.hiddenSize = layout.sizes().hiddenSize();
        this.attentionNorm =
                new Norm(parameters, layout.parameter(ParameterKind.ATTENTION_NORM, layer), architecture.norm());
        this.attention = new SelfAttention(parameters, architecture, layer, rotary);
        this.mlpNorm = new Norm(parameters, layout.parameter(ParameterKind.MLP_NORM, layer), architecture.norm());
        this.mlp = new Mlp(parameters, layer);
    }

    /**
     * Activations that forward writes and backward reads.
     *
     * @param in [rows, hiddenSize], hidden states before attention
     * @param middle [rows, hiddenSize], hidden states before the MLP
     */
    record Saved(
            long in,
            long middle,
            Norm.Saved attentionNorm,
            SelfAttention.Saved attention,
            Norm.Saved mlpNorm,
            Mlp.Saved mlp) {}

    /**
     * Temporary memory of forward and backward. All layers share it.
     *
     * @param normed [rows, hiddenSize], output of a norm
     * @param branch [rows, hiddenSize], output of attention or MLP, to be added to the hidden states; in backward the
     *     gradient of {@code normed}
     * @param inner [rows, innerSize]
     */
    record Scratch(long normed, long branch, long inner, long attentionWorkspace) {}

    /** Further temporary memory of backward. All layers share it. */
    record Gradients(long dInner, SelfAttention.Gradients attention, long normWorkspace) {}

    Saved placeSaved(Layout layout, int rows, long in, long middle) {
        return new Saved(
                in,
                middle,
                attentionNorm.placeSaved(layout, rows),
                attention.placeSaved(layout, rows),
                mlpNorm.placeSaved(layout, rows),
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
                mlp.placeInner(layout, rows),
                attention.placeGradients(layout, rows),
                mlpNorm.placeWorkspace(layout, rows));
    }

    /**
     * Computes {@code middle} and the output of the MLP, which is left in {@code scratch.branch} and not yet added.
     *
     * @param before {@code middle} of the previous layer, whose MLP output is in {@code scratch.branch}; 0 for the
     *     first layer, whose {@code in} is already computed
     */
    void forward(Pass pass, long before, Saved saved, Scratch scratch, @Nullable KeyCache cache) {
        int rows = pass.rows();
        if (before == 0) {
            attentionNorm.forward(scratch.normed, saved.attentionNorm, saved.in, rows);
        } else {
            attentionNorm.forwardSum(scratch.normed, saved.attentionNorm, saved.in, before, scratch.branch, rows);
        }
        attention.forward(scratch.branch, scratch.normed, saved.attention, scratch.attentionWorkspace, pass, cache);
        mlpNorm.forwardSum(scratch.normed, saved.mlpNorm, saved.middle, saved.in, scratch.branch, rows);
        mlp.forward(scratch.branch, scratch.normed, saved.mlp, scratch.inner, rows);
    }

    /**
     * Replaces the gradient of {@code out} in {@code dHidden} by that of {@code in}. Each branch adds its gradient to
     * {@code dHidden}, which already is the gradient of the residual connection.
     */
    void backward(Pass pass, long dHidden, Saved saved, Scratch scratch, Gradients gradients) {
        int rows = pass.rows();
        long dNormed = scratch.branch;
        mlpNorm.forward(scratch.normed, saved.mlpNorm, saved.middle, rows);
        mlp.backward(dNormed, dHidden, scratch.normed, saved.mlp, scratch.inner, gradients.dInner, rows);
        mlpNorm.backward(dHidden, dNormed, dHidden, saved.middle, saved.mlpNorm, gradients.normWorkspace, rows);
        attentionNorm.forward(scratch.normed, saved.attentionNorm, saved.in, rows);
        attention.backward(dNormed, dHidden, scratch.normed, saved.attention, gradients.attention, pass);
        attentionNorm.backward(dHidden, dNormed, dHidden, saved.in, saved.attentionNorm, gradients.normWorkspace, rows);
    }
}
