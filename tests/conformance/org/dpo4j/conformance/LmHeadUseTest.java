package org.dpo4j.conformance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.DeviceBuffer;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.kernels.TokenLogProb.TokenResults;
import org.dpo4j.kernels.TokenLogProb.Transform;
import org.dpo4j.kernels.head.HeadPlan;
import org.dpo4j.kernels.head.HeadPlan.Use;
import org.dpo4j.kernels.head.LmHead;
import org.dpo4j.kernels.head.LmHead.HeadGradients;
import org.dpo4j.kernels.head.LmHead.HeadRows;
import org.junit.jupiter.api.Tag;

/** Products and memory that an LM head uses, and calls that it refuses. */
class LmHeadUseTest {
    private static final int ROWS = 10;
    private static final int VOCABULARY = 37;
    private static final int HIDDEN = 16;

    /** A head of zeros. */
    private static final class Zeros implements AutoCloseable {
        private final DeviceBuffer buffer;
        private final LmHead head;
        private final HeadRows rows;
        private final TokenResults results;
        private final HeadGradients gradients;
        private final HeadGradients ofHidden;

        Zeros(Device device, HeadPlan plan) {
            this(device, plan, false);
        }

        Zeros(Device device, HeadPlan plan, boolean bias) {
            long part = 1L << 14;
            buffer = device.allocate(8 * part + plan.workspaceBytes());
            device.fill(buffer.address(), 0, buffer.bytes());
            long at = buffer.address();
            Transform transform = bias ? new Transform(at + 7 * part, 1, 0) : Transform.NONE;
            head = new LmHead(device, plan, at, transform, at + 8 * part);
            rows = new HeadRows(at + part, at + 2 * part, ROWS);
            results = new TokenResults(at + 3 * part, at + 4 * part);
            gradients = new HeadGradients(at + 5 * part, at + 6 * part);
            ofHidden = HeadGradients.hiddenOnly(at + 5 * part);
        }

        long dLogprob() {
            return results.logprob();
        }

        void forwardUnit(HeadGradients to) {
            head.forwardUnit(to, results, rows);
        }

        void backward(HeadGradients to, HeadRows headRows) {
            head.backward(to, headRows, results.lse(), dLogprob());
        }

        @Override
        public void close() {
            buffer.close();
        }
    }

    private static HeadPlan plan(Use use, int chunkRows) {
        return new HeadPlan(use, VOCABULARY, HIDDEN, DType.F32, chunkRows);
    }

    private static int[] rowsOfProducts(On on, Use use, int chunkRows, boolean known) {
        CountingDevice counting = new CountingDevice(on.device(), VOCABULARY);
        try (Zeros zeros = new Zeros(counting.device(), plan(use, chunkRows))) {
            HeadGradients gradients = use == Use.FROZEN ? zeros.ofHidden : zeros.gradients;
            if (use == Use.FORWARD) {
                zeros.head.forward(zeros.results, zeros.rows);
            } else if (known) {
                zeros.head.forwardBackward(gradients, zeros.results, zeros.rows, zeros.dLogprob());
            } else {
                zeros.forwardUnit(gradients);
                zeros.backward(gradients, zeros.rows);
            }
            on.device().synchronize();
            return new int[] {counting.logits, counting.dRows, counting.dHead};
        }
    }

    /**
     * The number of products is that of the plan. A fourth product leaves out the last chunk, whose logits are still in
     * memory.
     */
    @OnEachDevice
    @Tag("small")
    void productsOfThePlan(On on) {
        for (int chunkRows : new int[] {1, 4, 10, 16}) {
            assertThat(rowsOfProducts(on, Use.FORWARD, chunkRows, false)).containsExactly(ROWS, 0, 0);
            assertThat(rowsOfProducts(on, Use.FROZEN, chunkRows, false)).containsExactly(ROWS, ROWS, 0);
            assertThat(rowsOfProducts(on, Use.FROZEN, chunkRows, true)).containsExactly(ROWS, ROWS, 0);
            assertThat(rowsOfProducts(on, Use.TRAINING, chunkRows, true)).containsExactly(ROWS, ROWS, ROWS);
        }
        assertThat(plan(Use.TRAINING, 10).products(ROWS)).isEqualTo(3);
        assertThat(rowsOfProducts(on, Use.TRAINING, 10, false)).containsExactly(ROWS, ROWS, ROWS);
        assertThat(plan(Use.TRAINING, 4).products(ROWS)).isEqualTo(4);
        assertThat(rowsOfProducts(on, Use.TRAINING, 4, false)).containsExactly(ROWS + 8, ROWS, ROWS);
    }

    /** Besides inputs and results, a pass needs only the workspace of the plan, for any number of rows. */
    @OnEachDType
    void peakMemoryIsThePlans(On on) {
        int vocabulary = 5003;
        int hidden = 64;
        int rows = 64;
        long bytes = on.dtype().bytes();
        HeadPlan plan = HeadPlan.within(1 << 18, rows, Use.TRAINING, vocabulary, hidden, on.dtype());
        assertThat(plan.chunkRows()).isLessThan(rows / 4);
        long inputs = bytes * (vocabulary + 2L * rows) * hidden + 4L * vocabulary * hidden + 16L * rows;
        long before = on.device().allocatedBytes();
        try (DeviceBuffer given = on.device().allocate(inputs + 8 * 256);
                DeviceBuffer workspace = on.device().allocate(plan.workspaceBytes())) {
            on.device().fill(given.address(), 0, given.bytes());
            long weight = given.address();
            long x = weight + aligned(bytes * vocabulary * hidden);
            long dHidden = x + aligned(bytes * rows * hidden);
            long dWeight = dHidden + aligned(bytes * rows * hidden);
            long numbers = dWeight + aligned(4L * vocabulary * hidden);
            long lse = numbers + 4L * rows;
            HeadRows headRows = new HeadRows(x, numbers + 8L * rows, rows);
            HeadGradients gradients = new HeadGradients(dHidden, dWeight);
            long peak = on.device().peakAllocatedBytes();
            LmHead head = new LmHead(on.device(), plan, weight, Transform.NONE, workspace.address());
            head.forwardUnit(gradients, new TokenResults(numbers, lse), headRows);
            head.backward(gradients, headRows, lse, numbers + 12L * rows);
            on.device().synchronize();
            assertThat(on.device().peakAllocatedBytes()).isEqualTo(peak);
            assertThat(on.device().allocatedBytes() - before - given.bytes()).isLessThanOrEqualTo(1 << 18);
        }
    }

    private static long aligned(long bytes) {
        return bytes + 255 & -256;
    }

    @OnEachDevice
    @Tag("small")
    void refusesByName(On on) {
        try (Zeros forward = new Zeros(on.device(), plan(Use.FORWARD, 4));
                Zeros training = new Zeros(on.device(), plan(Use.TRAINING, 4));
                Zeros frozen = new Zeros(on.device(), plan(Use.FROZEN, 4), true)) {
            refused("FORWARD", () -> forward.forwardUnit(forward.gradients));
            refused("dWeight", () -> training.forwardUnit(training.ofHidden));
            refused("dWeight", () -> frozen.forwardUnit(frozen.gradients));
            HeadGradients bias = new HeadGradients(frozen.ofHidden.dHidden(), 0, frozen.gradients.dWeight());
            refused("dBias", () -> frozen.forwardUnit(bias));
            HeadGradients noBias =
                    new HeadGradients(training.gradients.dHidden(), training.gradients.dWeight(), frozen.results.lse());
            refused("dBias", () -> training.forwardUnit(noBias));
            HeadRows none = new HeadRows(forward.rows.hidden(), forward.rows.targets(), -1);
            refused("count", () -> forward.head.forward(forward.results, none));
            refused("rows", () -> training.head.logits(training.rows.hidden(), 5));
            refused("forwardUnit", () -> training.backward(training.gradients, training.rows));
            training.forwardUnit(training.gradients);
            HeadRows others = new HeadRows(training.rows.hidden(), training.rows.targets(), 3);
            refused("forwardUnit", () -> training.backward(training.gradients, others));
            training.head.forward(training.results, training.rows); // overwrites what backward needs
            refused("forwardUnit", () -> training.backward(training.gradients, training.rows));
            on.device().synchronize();
        }
    }

    @OnEachDevice
    @Tag("small")
    void refusesWhatTheDeviceDoesNotStore(On on) {
        HeadPlan halves = new HeadPlan(Use.FORWARD, VOCABULARY, HIDDEN, DType.F16, 4);
        refused("F16", () -> new LmHead(on.device(), halves, 0, Transform.NONE, 0));
    }

    /** The second chunk would not be aligned to 16 bytes. */
    @OnEachDevice
    @Tag("small")
    void refusesChunksThatAreNotAligned(On on) {
        HeadPlan odd = new HeadPlan(Use.FORWARD, VOCABULARY, 15, DType.F32, 6);
        try (Zeros zeros = new Zeros(on.device(), odd)) {
            refused("chunkRows", () -> zeros.head.forward(zeros.results, zeros.rows));
        }
    }

    private static void refused(String word, Runnable call) {
        assertThatThrownBy(call::run)
                .isInstanceOf(Dpo4jException.class)
                .hasMessageContaining("lm_head")
                .hasMessageContaining(word);
    }
}
