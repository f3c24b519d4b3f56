package org.dpo4j.conformance;

import java.nio.DoubleBuffer;
import java.util.Arrays;
import java.util.List;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.decoder.Attention;
import org.dpo4j.kernels.decoder.Segment;
import org.dpo4j.testkit.AttentionLayout;
import org.dpo4j.testkit.Draw;
import org.dpo4j.testkit.ReferenceAttention;

/**
 * Calls of attention with one shape. A stride is the row's width plus {@code gap} elements, by default 0. The default
 * scale is 1 / sqrt(headWidth), and by default there is no soft cap and no window.
 */
record AttentionCall(int heads, int kvHeads, int headWidth, int gap, Attention.Scores scores) {
    private static final Remembered<ReferenceAttention> REFERENCES = new Remembered<>(8);

    AttentionCall(int heads, int kvHeads, int headWidth) {
        this(heads, kvHeads, headWidth, 0, new Attention.Scores((float) (1 / Math.sqrt(headWidth))));
    }

    AttentionCall withStrides(int elementsBetweenRows) {
        return new AttentionCall(heads, kvHeads, headWidth, elementsBetweenRows, scores);
    }

    AttentionCall withScale(float scale) {
        return with(new Attention.Scores(scale, scores.softCap(), scores.window()));
    }

    AttentionCall withSoftCap(float cap) {
        return with(new Attention.Scores(scores.scale(), cap, scores.window()));
    }

    AttentionCall withWindow(int window) {
        return with(new Attention.Scores(scores.scale(), scores.softCap(), window));
    }

    private AttentionCall with(Attention.Scores other) {
        return new AttentionCall(heads, kvHeads, headWidth, gap, other);
    }

    float scale() {
        return scores.scale();
    }

    int width() {
        return heads * headWidth;
    }

    int kvWidth() {
        return kvHeads * headWidth;
    }

    int outStride() {
        return width() + 2 * gap;
    }

    int qStride() {
        return width() + gap;
    }

    int kvStride() {
        return kvWidth() + 3 * gap;
    }

    Attention.Shape with(DType dtype) {
        return new Attention.Shape(
                heads, kvHeads, headWidth, new Attention.Strides(outStride(), qStride(), kvStride()), scores, dtype);
    }

    /** Values of q, k and v without gaps. */
    record Inputs(double[] q, double[] k, double[] v) {
        /** {@code size} multiplies q and k, so scores grow with its square. */
        static Inputs random(AttentionCall shape, int rows, double size) {
            Draw draw = new Draw(rows * 1000L + shape.headWidth);
            return new Inputs(
                    draw.normal(rows * shape.width(), size),
                    draw.normal(rows * shape.kvWidth(), size),
                    draw.normal(rows * shape.kvWidth(), 1));
        }

        Inputs select(AttentionCall shape, int[] rows) {
            return new Inputs(
                    rowsOf(q, shape.width(), rows), rowsOf(k, shape.kvWidth(), rows), rowsOf(v, shape.kvWidth(), rows));
        }

        private static double[] rowsOf(double[] values, int width, int[] rows) {
            return Arrays.stream(rows)
                    .boxed()
                    .flatMapToDouble(row -> Arrays.stream(values, row * width, (row + 1) * width))
                    .toArray();
        }
    }

    ReferenceAttention reference(Inputs inputs, List<Segment> segments) {
        return REFERENCES.get(
                key(inputs, segments),
                () -> new ReferenceAttention(heads, kvHeads, headWidth, scale(), inputs.q, inputs.k, inputs.v, segments)
                        .withLimits(scores.window(), scores.softCap()));
    }

    /** Everything that a result depends on, except the storage type. */
    List<Object> key(Inputs inputs, List<Segment> segments) {
        return List.of(
                this, segments, DoubleBuffer.wrap(inputs.q), DoubleBuffer.wrap(inputs.k), DoubleBuffer.wrap(inputs.v));
    }

    /** The operands that forward and backward read. */
    record Operands(
            AttentionCall shape, List<Segment> segments, DType dtype, Tensor q, Tensor k, Tensor v, Tensor packed) {
        Inputs inputs() {
            return new Inputs(q.values(), k.values(), v.values());
        }

        private Attention.Inputs addresses() {
            return new Attention.Inputs(q.address(), k.address(), v.address());
        }

        private Attention.Segments packed(int rows, int maxKeys) {
            return AttentionLayout.packed(packed.address(), segments, rows, maxKeys);
        }
    }

    private Operands operands(Tensors tensors, On on, List<Segment> segments, Inputs inputs) {
        int keys = inputs.k.length / kvWidth();
        return new Operands(
                this,
                segments,
                on.dtype(),
                tensors.input("q", on.dtype(), inputs.q.length / width(), width(), qStride(), inputs.q),
                tensors.input("k", on.dtype(), keys, kvWidth(), kvStride(), inputs.k),
                tensors.input("v", on.dtype(), keys, kvWidth(), kvStride(), inputs.v),
                tensors.input("segments", Segment.pack(segments)));
    }

    /** A forward call and its tensors. {@code maxKeys} is 0 except for decoding. */
    record Forward(Operands operands, int keyRows, int maxKeys, Tensor out, Tensor lse, Tensor workspace) {
        void run(Device device) {
            Attention.forward(
                    device,
                    new Attention.Saved(out.address(), lse.address()),
                    operands.addresses(),
                    operands.packed(keyRows, maxKeys),
                    workspace.address(),
                    operands.shape.with(operands.dtype));
        }
    }

    Forward forward(Tensors tensors, On on, List<Segment> segments, Inputs inputs) {
        return decode(tensors, on, segments, inputs, 0);
    }

    Forward decode(Tensors tensors, On on, List<Segment> segments, Inputs inputs, int maxKeys) {
        int rows = inputs.q.length / width();
        return new Forward(
                operands(tensors, on, segments, inputs),
                inputs.k.length / kvWidth(),
                maxKeys,
                tensors.output("out", on.dtype(), rows, width(), outStride()),
                tensors.output("lse", DType.F32, rows, heads),
                tensors.workspace(
                        maxKeys == 0
                                ? Attention.forwardWorkspaceBytes()
                                : Attention.decodeWorkspaceBytes(segments.size(), heads, headWidth, maxKeys)));
    }

    /** A backward call and its tensors. */
    record Backward(
            Operands operands, Tensor dQ, Tensor dK, Tensor dV, Tensor workspace, Tensor dOut, Tensor out, Tensor lse) {
        /** The same call with other segments, which are packed in a tensor. */
        Backward withSegments(List<Segment> segments, Tensor packed) {
            Operands other =
                    new Operands(operands.shape, segments, operands.dtype, operands.q, operands.k, operands.v, packed);
            return new Backward(other, dQ, dK, dV, workspace, dOut, out, lse);
        }

        void run(Device device) {
            Attention.backward(
                    device,
                    new Attention.Gradients(dOut.address(), dQ.address(), dK.address(), dV.address()),
                    operands.addresses(),
                    new Attention.Saved(out.address(), lse.address()),
                    operands.packed(AttentionLayout.rows(operands.segments), 0),
                    workspace.address(),
                    operands.shape.with(operands.dtype));
        }
    }

    /**
     * A backward call. out and lse are those of the reference, rounded to their storage, so that only backward is
     * tested.
     */
    Backward backward(Tensors tensors, On on, List<Segment> segments, Inputs inputs) {
        int rows = inputs.q.length / width();
        Operands operands = operands(tensors, on, segments, inputs);
        double[] out = new double[rows * width()];
        double[] lse = new double[rows * heads];
        ReferenceAttention reference = reference(operands.inputs(), segments);
        for (ReferenceAttention.View view : reference.views()) {
            double[] row = reference.forward(view);
            System.arraycopy(row, 0, out, reference.atQuery(view.query(), view.head()), headWidth);
            lse[view.query() * heads + view.head()] = view.lse();
        }
        return new Backward(
                operands,
                tensors.output("d_q", on.dtype(), rows, width(), qStride()),
                tensors.output("d_k", on.dtype(), rows, kvWidth(), kvStride()),
                tensors.output("d_v", on.dtype(), rows, kvWidth(), kvStride()),
                tensors.workspace(Math.max(
                        Attention.backwardWorkspaceBytes(on.device(), rows, with(on.dtype())),
                        Attention.backwardWorkspaceBytes(on.again(), rows, with(on.dtype())))),
                tensors.input(
                        "d_out", on.dtype(), rows, width(), outStride(), new Draw(rows).normal(rows * width(), 1)),
                tensors.input("out", on.dtype(), rows, width(), outStride(), out),
                tensors.input("lse", DType.F32, rows, heads, lse));
    }
}
