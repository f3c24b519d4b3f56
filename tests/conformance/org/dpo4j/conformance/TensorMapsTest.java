package org.dpo4j.conformance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.TokenLogProb.TokenResults;
import org.dpo4j.kernels.TokenLogProb.Transform;
import org.dpo4j.kernels.head.LmHeadForward;
import org.dpo4j.kernels.head.LmHeadForward.Head;
import org.dpo4j.kernels.head.LmHeadForward.HiddenRows;
import org.dpo4j.testkit.Bfloat16;
import org.dpo4j.testkit.Draw;
import org.dpo4j.testkit.ReferenceTokenLogProb;
import org.junit.jupiter.api.Tag;

/**
 * Calls of several shapes on the same memory. Kernels for Hopper load tiles by a tensor map, which is kept for the next
 * call. A map of another shape would load other rows or columns.
 */
class TensorMapsTest {
    private static final int ROWS = 130;
    private static final int VOCABULARY = 300;
    private static final int STRIDE = 72;

    /** The error that {@link LmHeadForward} claims, in nats. */
    private static final double CLAIM = 1e-4;

    /** Of hidden rows [rows, width] and weights [vocabulary, width], both with rows {@code stride} elements apart. */
    private record Shape(int rows, int vocabulary, int width, int stride) {}

    /**
     * Each differs from the one before in one number, from the first to the last: columns, rows of hidden states, rows of
     * weights, stride, and rows of a tile, which has half of the weights' rows if there are more than 128 hidden rows.
     */
    private static final List<Shape> SHAPES = List.of(
            new Shape(5, 20, 40, STRIDE),
            new Shape(5, 20, 64, STRIDE),
            new Shape(100, 20, 64, STRIDE),
            new Shape(100, VOCABULARY, 64, STRIDE),
            new Shape(100, VOCABULARY, 64, 64),
            new Shape(ROWS, VOCABULARY, 64, 64));

    @OnEachCudaDevice
    @Tag("small")
    void otherShapesOfTheSameMemory(On on) {
        assumeTrue(LmHeadForward.isSupported(on.device(), DType.BF16), on + " has no lm_head_forward");
        Draw draw = new Draw(7);
        double[] hidden = stored(draw.normal(ROWS * STRIDE, 1));
        double[] weight = stored(draw.normal(VOCABULARY * STRIDE, 0.4));
        int[] targets = draw.indices(ROWS, SHAPES.get(0).vocabulary);
        try (Tensors tensors = new Tensors(on)) {
            Tensor x = tensors.input("hidden", DType.BF16, ROWS, STRIDE, hidden);
            Tensor w = tensors.input("weight", DType.BF16, VOCABULARY, STRIDE, weight);
            Tensor t = tensors.input("targets", targets);
            List<Tensor> results = new ArrayList<>();
            List<Consumer<Device>> calls = new ArrayList<>();
            for (Shape shape : SHAPES) {
                Tensor logprob = tensors.output("logprob", DType.F32, 1, shape.rows);
                Tensor lse = tensors.output("lse", DType.F32, 1, shape.rows);
                Tensor workspace = tensors.workspace(LmHeadForward.workspaceBytes(shape.rows, shape.vocabulary));
                results.add(logprob);
                calls.add(device -> LmHeadForward.forward(
                        device,
                        new TokenResults(logprob.address(), lse.address()),
                        workspace.address(),
                        new HiddenRows(x.address(), shape.stride, t.address(), shape.rows),
                        new Head(
                                w.address(), shape.stride, shape.vocabulary, shape.width, Transform.NONE, DType.BF16)));
            }
            tensors.run(device -> calls.forEach(call -> call.accept(device)));
            for (int i = 0; i < SHAPES.size(); i++) {
                Shape shape = SHAPES.get(i);
                for (int row = 0; row < shape.rows; row++) {
                    double expected = ReferenceTokenLogProb.forward(logits(shape, row, hidden, weight), targets[row]);
                    assertThat(results.get(i).values()[row])
                            .as("log-prob of row %d of %s", row, shape)
                            .isCloseTo(expected, within(CLAIM));
                }
            }
        }
    }

    private static double[] stored(double[] values) {
        return Arrays.stream(values).map(x -> Bfloat16.rounded((float) x)).toArray();
    }

    private static double[] logits(Shape shape, int row, double[] hidden, double[] weight) {
        double[] logits = new double[shape.vocabulary];
        for (int j = 0; j < shape.vocabulary; j++) {
            for (int k = 0; k < shape.width; k++) {
                logits[j] += hidden[row * shape.stride + k] * weight[j * shape.stride + k];
            }
        }
        return logits;
    }
}
