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
 * The sum with a branch is made by the norm that reads it, in one pass. So a layer leaves its last branch beside {@code
 * middle}, and the next layer makes {@code out}, as its {@code in}.
 */
final class Layer {
    private final DType dtype;
    private final int hiddenSize;
    private final Norm attentionNorm;
    private final SelfAttention attention;
    private final Norm mlpNorm;
    private final Mlp mlp;

    Layer(Parameters parameters, Architecture architecture, int layer, RotaryTable rotary) {
        this.dtype = parameters.dtype();
        this.hiddenSize = architecture.hiddenSize();
        ParameterLayout layout = parameters.layout();
        this.attentionNorm =
                new Norm(parameters, layout.parameter(ParameterKind.ATTENTION_NORM, layer), architecture.norm());
        this.attention = new SelfAttention(parameters, architecture.attention(), layer, rotary);
        this.mlpNorm = new Norm(parameters, layout.parameter(ParameterKind.MLP_NORM, layer), architecture.norm());
        this.mlp = new Mlp(parameters, architecture.mlp(), layer);
    }

    /**
     * What forward leaves for backward.
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
     * What both directions work in. All layers share it.
     *
     * @param normed [rows, hiddenSize], a norm's output
     * @param branch [rows, hiddenSize], what is to be added to the hidden states; in backward the gradient of {@code
     *     normed}
     * @param inner [rows, innerSize]
     */
    record Scratch(long normed, long branch, long inner, long attentionWorkspace) {}

    /** What backward works in besides. All layers share it. */
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
     * Leaves {@code middle} and, in {@code scratch}, the branch that is to be added to it.
     *
     * @param before hidden states that the layer before has left with its branch in {@code scratch}; 0 where {@code in}
     *     is there already
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
     * From the gradient of {@code out} to that of {@code in}, both in {@code dHidden}: it goes around a branch, and
     * through the branch and its norm, which adds to it.
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
