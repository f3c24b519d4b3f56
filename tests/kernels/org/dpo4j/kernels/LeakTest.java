package org.dpo4j.kernels;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.bytedeco.cuda.global.cudart;
import org.bytedeco.javacpp.SizeTPointer;
import org.dpo4j.conformance.On;
import org.dpo4j.conformance.OnEachDevice;
import org.dpo4j.kernels.PreferenceLoss.PairLogProbs;
import org.dpo4j.kernels.PreferenceLoss.Scale;
import org.dpo4j.kernels.SequenceSum.Sequences;
import org.dpo4j.kernels.TokenLogProb.Logits;
import org.dpo4j.kernels.TokenLogProb.LogitsGradient;
import org.dpo4j.kernels.internal.LogitTransform;
import org.dpo4j.kernels.internal.Native;
import org.dpo4j.kernels.internal.StructWriter;
import org.junit.jupiter.api.Tag;

/**
 * A thousand calls of every operation of this package use no more memory than one, on the device and in the process.
 */
class LeakTest {
    private static final int CALLS = 1000;
    private static final int ROUNDS = 3;

    /**
     * The process may grow by this many bytes in the median of three rounds. A round makes 13,000 calls, so it is 80
     * bytes per call. A leak shows in every round. In a single round the heap of the JVM may shrink, or its compiler may
     * allocate, so the test takes the median.
     */
    private static final long ALLOWED = 1L << 20;

    private static final int ROWS = 2;
    private static final int VOCABULARY = 50;
    private static final int STRIDE = 56;
    private static final int PAIRS = 1;

    /** Buffers of every operation, and one call of each. */
    private static final class Calls implements AutoCloseable {
        private static final long BYTES = 4L * ROWS * STRIDE;

        private final Device device;
        private final List<DeviceBuffer> buffers = new ArrayList<>();
        private final long zeros;
        private final long ones;
        private final long logits;
        private final long logprob;
        private final long lse;
        private final long statistics;
        private final long dLogits;
        private final long sums;
        private final long losses;
        private final long dSums;
        private final long metrics;
        private final long workspace;
        private final long offsets;
        private final PreferenceOptions sorting = PreferenceOptions.forLoss(LossType.AOT);

        Calls(Device device) {
            this.device = device;
            zeros = buffer();
            ones = buffer();
            logits = buffer();
            logprob = buffer();
            lse = buffer();
            statistics = buffer();
            dLogits = buffer();
            sums = buffer();
            losses = buffer();
            dSums = buffer();
            metrics = buffer();
            workspace = buffer();
            offsets = buffer();
            device.upload(offsets, new int[] {0, 1, ROWS});
            device.upload(ones, new int[] {1, 1});
        }

        private long buffer() {
            DeviceBuffer buffer = device.allocate(BYTES);
            buffers.add(buffer);
            device.fill(buffer.address(), 0, BYTES);
            return buffer.address();
        }

        void each() {
            for (DType dtype : DType.values()) {
                tokenLogProb(dtype);
            }
            Sequences sequences = new Sequences(offsets, 2 * PAIRS);
            SequenceSum.forward(device, sums, logprob, sequences);
            PreferenceLoss.compute(
                    device,
                    new PreferenceLoss.PairResults(losses, dSums, metrics),
                    new PairLogProbs(sums, zeros),
                    PAIRS,
                    workspace,
                    new Scale(1),
                    sorting);
            UnpairedLoss.compute(
                    device,
                    new UnpairedLoss.UnpairedResults(losses, dSums, metrics),
                    new UnpairedLoss.UnpairedLogProbs(sums, zeros, ones, 2 * PAIRS),
                    new UnpairedLoss.Baseline(sums, zeros, 2 * PAIRS),
                    1,
                    UnpairedLoss.Options.forLoss(UnpairedLoss.Type.KTO));
            SequenceSum.backward(device, logprob, dSums, sequences);
            try (DeviceBuffer scratch = device.allocate(BYTES)) {
                device.fill(scratch.address(), 0, BYTES);
                device.copy(scratch.address(), logits, BYTES);
            }
            device.synchronize();
        }

        private void tokenLogProb(DType dtype) {
            Logits logitsOfType = new Logits(logits, VOCABULARY, STRIDE, dtype);
            LogitsGradient gradient = new LogitsGradient(dLogits, STRIDE, dtype);
            TokenLogProb.TokenResults results = new TokenLogProb.TokenResults(logprob, lse, statistics);
            TokenLogProb.forward(device, results, logitsOfType, zeros, ROWS);
            TokenLogProb.backward(device, gradient, logitsOfType, zeros, lse, logprob, ROWS);
            TokenLogProb.forwardBackward(
                    device, gradient, results, logitsOfType, zeros, TokenLogProb.UNIT_GRADIENT, ROWS);
        }

        @Override
        public void close() {
            buffers.forEach(DeviceBuffer::close);
        }
    }

    /** Resident memory of the process, in bytes. */
    private static long residentBytes() throws IOException {
        System.gc();
        return 4096
                * Long.parseLong(Files.readString(Path.of("/proc/self/statm")).split(" ", 3)[1]);
    }

    /**
     * Device memory in use, as the CUDA runtime reports it. On a GPU it includes other processes; on the emulated
     * device there are none.
     */
    private static long usedOfDevice() {
        try (SizeTPointer free = new SizeTPointer(1);
                SizeTPointer total = new SizeTPointer(1)) {
            assertThat(cudart.cudaMemGetInfo(free, total)).isZero();
            return total.get() - free.get();
        }
    }

    @OnEachDevice
    @Tag("large")
    void aThousandCallsLeakNothing(On on) throws IOException {
        boolean emulated = on.name().equals("emulated");
        try (Calls calls = new Calls(on.device())) {
            run(calls, CALLS / 10);
            long allocated = on.device().allocatedBytes();
            long used = emulated ? usedOfDevice() : 0;
            long grown = middleGrowth(() -> run(calls, CALLS));
            assertThat(on.device().allocatedBytes()).as("device bytes").isEqualTo(allocated);
            assertThat(emulated ? usedOfDevice() : 0).as("bytes of the runtime").isEqualTo(used);
            assertThat(grown).as("bytes that the process grew by in a round").isLessThan(ALLOWED);
        }
        assertThat(on.device().allocatedBytes()).isZero();
    }

    private static void run(Calls calls, int times) {
        for (int i = 0; i < times; i++) {
            calls.each();
        }
    }

    /**
     * Ten thousand refused calls and their error texts leak nothing either. They go through the binding, because
     * exceptions would use so much heap that a leak would not show.
     */
    @OnEachDevice
    void refusedCallsLeakNothing(On on) throws IOException {
        long context = on.device().context();
        long grown = middleGrowth(() -> {
            for (int i = 0; i < 10 * CALLS; i++) {
                refused(context, i % 10 == 0);
            }
        });
        assertThat(grown).as("bytes that the process grew by in a round").isLessThan(ALLOWED);
    }

    private static void refused(long context, boolean askWhy) {
        long params = LogitTransform.write(
                        StructWriter.begin("dpo4j_token_logprob_forward_params")
                                .address("logprob", 16)
                                .address("lse", 16)
                                .address("statistics", 0)
                                .address("logits", 16)
                                .address("row_index", 0)
                                .int64("vocabulary", VOCABULARY)
                                .int64("logits_stride", 1),
                        0,
                        1,
                        0)
                .int32("dtype", DType.F32.code())
                .address("targets", 16)
                .int64("rows", 1)
                .end();
        if (Native.dpo4j_token_logprob_forward(context, params) == 0) {
            throw new AssertionError("a stride of 1 was accepted");
        }
        if (askWhy && !Native.dpo4j_error_text(context).contains("logits_stride")) {
            throw new AssertionError(Native.dpo4j_error_text(context));
        }
    }

    /** The median over rounds of the bytes by which the process grew. */
    private static long middleGrowth(Runnable round) throws IOException {
        long[] growth = new long[ROUNDS];
        for (int i = 0; i < ROUNDS; i++) {
            long before = residentBytes();
            round.run();
            growth[i] = residentBytes() - before;
        }
        Arrays.sort(growth);
        return growth[ROUNDS / 2];
    }
}
