package org.dpo4j.conformance;

import static org.dpo4j.testkit.AttentionLayout.plain;
import static org.dpo4j.testkit.Tolerance.U;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.util.ArrayList;
import java.util.List;
import org.dpo4j.conformance.LargeTensor.Image;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.decoder.Attention;
import org.dpo4j.kernels.decoder.Segment;
import org.dpo4j.kernels.internal.CudaSettings;
import org.dpo4j.kernels.internal.Native;
import org.dpo4j.testkit.AttentionLayout;
import org.dpo4j.testkit.Tolerance;
import org.junit.jupiter.api.Tag;

/**
 * Compares attention by the kernels for sm_90a with attention by those that use mma.sync. They share no instruction for
 * products and copies. Compares every element, at sizes of a real model on a GPU and at small sizes on the emulated
 * device. Then repeats the call and compares bits.
 *
 * <p>Inputs are uniform in (-1, 1), and the scale gives scores a standard deviation of 3. So a few keys have most of a
 * query's probability, and a tile that is missing, stale or misplaced changes results by as much as their magnitude.
 */
class AttentionOnHopperTest {
    private static final String OFF = "attention_forward_sm90a,attention_backward_sm90a";

    /** Half a unit in the last of bf16's 8 places. */
    private static final double BF16 = 0x1p-8;

    /** Inputs and results of the calls. */
    private static final class Run implements AutoCloseable {
        final Device device;
        final AttentionCall shape;
        final List<Segment> segments;
        final int rows;
        final List<LargeTensor> tensors = new ArrayList<>();
        final LargeTensor q;
        final LargeTensor k;
        final LargeTensor v;
        final LargeTensor dOut;
        final LargeTensor packed;
        final LargeTensor out;
        final LargeTensor lse;
        final LargeTensor dQ;
        final LargeTensor dK;
        final LargeTensor dV;
        final LargeTensor workspace;

        Run(Device device, AttentionCall shape, List<Segment> segments) {
            this.device = device;
            this.shape = shape;
            this.segments = segments;
            rows = AttentionLayout.rows(segments);
            long queries = (long) rows * shape.width();
            long keys = (long) rows * shape.kvWidth();
            q = add(LargeTensor.uniform(device, queries, 1, 1));
            k = add(LargeTensor.uniform(device, keys, 1, 2));
            v = add(LargeTensor.uniform(device, keys, 1, 3));
            dOut = add(LargeTensor.uniform(device, queries, 1, 4));
            int[] words = Segment.pack(segments);
            packed = add(LargeTensor.output(device, DType.F32, words.length));
            device.upload(packed.address(), words);
            out = add(LargeTensor.output(device, DType.BF16, queries));
            lse = add(LargeTensor.output(device, DType.F32, (long) rows * shape.heads()));
            dQ = add(LargeTensor.output(device, DType.BF16, queries));
            dK = add(LargeTensor.output(device, DType.BF16, keys));
            dV = add(LargeTensor.output(device, DType.BF16, keys));
            long bytes = Math.max(
                    Attention.forwardWorkspaceBytes(),
                    Attention.backwardWorkspaceBytes(device, rows, shape.with(DType.BF16)));
            workspace = add(LargeTensor.output(device, DType.F32, (bytes + 3) / 4));
        }

        private LargeTensor add(LargeTensor tensor) {
            tensors.add(tensor);
            return tensor;
        }

        private Attention.Inputs inputs() {
            return new Attention.Inputs(q.address(), k.address(), v.address());
        }

        private Attention.Saved saved() {
            return new Attention.Saved(out.address(), lse.address());
        }

        private Attention.Segments packed() {
            return AttentionLayout.packed(packed.address(), segments, rows);
        }

        List<Image> forward(Device by) {
            out.clear();
            lse.clear();
            device.synchronize();
            Attention.forward(by, saved(), inputs(), packed(), workspace.address(), shape.with(DType.BF16));
            by.synchronize();
            return List.of(out.image(), lse.image());
        }

        /** Runs backward with the current out and lse. */
        List<Image> backward(Device by) {
            List.of(dQ, dK, dV).forEach(LargeTensor::clear);
            device.synchronize();
            Attention.backward(
                    by,
                    new Attention.Gradients(dOut.address(), dQ.address(), dK.address(), dV.address()),
                    inputs(),
                    saved(),
                    packed(),
                    workspace.address(),
                    shape.with(DType.BF16));
            by.synchronize();
            return List.of(dQ.image(), dK.image(), dV.image());
        }

        @Override
        public void close() {
            tensors.forEach(LargeTensor::close);
        }
    }

    /** Segments of two plain sequences of this length and two pairs whose prompt has half of it. */
    private static List<Segment> layout(int length) {
        List<Segment> segments = new ArrayList<>(plain(length, length));
        for (int begin = 2 * length; begin < 4 * length; begin += length) {
            Segment prompt = Segment.plain(begin, length / 2, 2);
            segments.add(prompt);
            segments.add(Segment.withPrefix(prompt, begin + length / 2, length / 4));
            segments.add(Segment.withPrefix(prompt, begin + 3 * length / 4, length - 3 * length / 4));
        }
        return segments;
    }

    @OnEachCudaDevice
    @Tag("device")
    void everyElementAtSmallSizes(On on) {
        for (int width : new int[] {64, 128}) {
            compare(on, new AttentionCall(4, 2, width), 164, 3);
        }
    }

    @OnEachCudaDevice
    @Tag("device")
    @Tag("large")
    void everyElementAtRealSizes(On on) {
        assumeTrue(on.name().equals("cuda"), "4 x 2048 tokens of 32 heads take a GPU");
        for (int width : new int[] {64, 128}) {
            compare(on, new AttentionCall(32, 8, width), 2048, 50);
        }
    }

    private static void compare(On on, AttentionCall plain, int length, int times) {
        AttentionCall shape = plain.withScale((float) (9 / Math.sqrt(plain.headWidth())));
        try (Device hopper = TestDevices.open(on, new CudaSettings("", 0));
                Device mma = TestDevices.open(on, new CudaSettings(OFF, 0))) {
            for (String kernel : OFF.split(",")) {
                assumeTrue(
                        Native.dpo4j_cuda_has_kernel(hopper.context(), kernel) == 1,
                        hopper.processor() + " has no " + kernel);
            }
            try (Run run = new Run(hopper, shape, layout(length))) {
                List<Image> expected = run.forward(mma);
                List<Image> actual = run.forward(hopper);
                near("out", shape, actual.get(0), expected.get(0), 0);
                nearLse(shape, actual.get(1), expected.get(1), length);
                for (int i = 1; i < times; i++) {
                    sameBits("forward, time " + i, run.forward(hopper), actual);
                }
                List<Image> expectedGradients = run.backward(mma);
                List<Image> gradients = run.backward(hopper);
                double floor = floorOfGradients(shape);
                near("d_q", shape, gradients.get(0), expectedGradients.get(0), floor);
                near("d_k", shape, gradients.get(1), expectedGradients.get(1), floor);
                near("d_v", shape, gradients.get(2), expectedGradients.get(2), 0);
                for (int i = 1; i < times; i++) {
                    sameBits("backward, time " + i, run.backward(hopper), gradients);
                }
            }
        }
    }

    private static void sameBits(String what, List<Image> actual, List<Image> expected) {
        for (int i = 0; i < actual.size(); i++) {
            actual.get(i).sameBitsAs(expected.get(i), what + ", result " + i);
        }
    }

    /**
     * Both kernels round probabilities and d_scores to bf16 before these multiply v, d_out, k and q, and each kernel
     * rounds at its own running maximum. So an element, which is a sum of terms t, differs by the sum of t (e - e'),
     * where e and e' are within 2^-8 and independent of the other factor. With uniform inputs, the mean magnitude of t
     * is the same for all elements of a head's row, so the root of the sum of t^2 is the row's root mean square R. The
     * difference then has a standard deviation of 2^-8 sqrt(2/3) R, or sqrt(3) times that if few terms have all the
     * weight. The max of 1e8 normal numbers is 5.7 standard deviations: 8.1 2^-8 R. The mean of 64 squares is itself
     * off by at most a third: 12 2^-8 R. Then both kernels round the results to their storage. Roundings of fp32 are a
     * hundredth of that, except if the row's exact gradient is nearly 0: {@code floor} covers this.
     */
    private static void near(String what, AttentionCall shape, Image actual, Image expected, double floor) {
        int width = shape.headWidth();
        for (int first = 0; first < expected.count(); first += width) {
            double squares = 0;
            for (int i = first; i < first + width; i++) {
                squares += (double) expected.get(i) * expected.get(i);
            }
            double ofTerms = 12 * BF16 * Math.sqrt(squares / width) + floor;
            for (int i = first; i < first + width; i++) {
                double a = actual.get(i);
                double b = expected.get(i);
                double allowed = ofTerms + BF16 * (Math.abs(a) + Math.abs(b)) + Float.MIN_NORMAL;
                if (!(Math.abs(a - b) <= allowed)) {
                    throw new AssertionError("%s of %s [%d]: sm_90a has %s, mma %s: %.3e apart, allowed %.3e"
                            .formatted(what, shape, i, a, b, Math.abs(a - b), allowed));
                }
            }
        }
    }

    /**
     * d_score = p (d_out . v - delta). If one key has all the probability, both terms are equal, and only fp32 errors
     * remain. Each term is a sum of headWidth products that tensor cores may truncate. The sum of their magnitudes is
     * headWidth / 3 on average for uniform numbers and at most headWidth. There are two such sums in each of two
     * kernels. d_score multiplies the scale and a key or query below 1, for each head of the group.
     */
    private static double floorOfGradients(AttentionCall shape) {
        double sum = 2.0 * shape.headWidth() * U * shape.headWidth() / 2;
        return 4 * sum * shape.scale() * shape.heads() / shape.kvHeads();
    }

    /**
     * lse = maximum + log(sum). Errors, in both kernels: those of the scores, which are sums of headWidth products that
     * tensor cores may truncate; one addition and one rescaling per key; and the logarithm, whose result is below 64.
     */
    private static void nearLse(AttentionCall shape, Image actual, Image expected, int keys) {
        double scores = 2 * (shape.headWidth() + 3) * U * shape.scale() * shape.headWidth();
        double allowed = 2 * (scores + Tolerance.roundings(6.0 * keys) + 8 * U * 64);
        for (int i = 0; i < expected.count(); i++) {
            double difference = Math.abs((double) actual.get(i) - expected.get(i));
            if (!(difference <= allowed)) {
                throw new AssertionError("lse of %s [%d]: sm_90a has %s, mma %s: %.3e apart, allowed %.3e"
                        .formatted(shape, i, actual.get(i), expected.get(i), difference, allowed));
            }
        }
    }
}
