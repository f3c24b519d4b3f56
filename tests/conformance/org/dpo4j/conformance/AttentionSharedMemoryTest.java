package org.dpo4j.conformance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.dpo4j.testkit.AttentionLayout.plain;
import static org.dpo4j.testkit.AttentionLayout.shared;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.util.Arrays;
import java.util.List;
import java.util.function.BiConsumer;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.decoder.Segment;
import org.dpo4j.kernels.internal.CudaSettings;
import org.dpo4j.testkit.AttentionLayout;
import org.dpo4j.testkit.AttentionLayout.Family;
import org.junit.jupiter.api.Tag;

/**
 * The tiles of attention by mma.sync on GPUs whose SMs have less shared memory than Hopper's: 100 KiB as on compute
 * capability 8.6, 8.9 and 12.0, and 164 KiB as on 8.0. A GPU always has the same tiles, so only the emulated device is
 * tested.
 */
class AttentionSharedMemoryTest {
    private static final String WITHOUT = "attention_forward_sm90a,attention_backward_sm90a";

    /** A prefix that crosses the ends of all tiles, with two completions, and a sequence of its own. */
    private static final List<Segment> FAMILIES = shared(new Family(75, 36, 1), new Family(40));

    private static Device open(On on, int kib) {
        StandIn.setSharedMemoryOfSm(kib << 10);
        try {
            return TestDevices.open(on, new CudaSettings(WITHOUT, 0));
        } finally {
            StandIn.setSharedMemoryOfSm(0);
        }
    }

    /** Calls {@code check} with two devices with this shared memory, and with one of them and one with Hopper's. */
    private static void onSmall(On on, int kib, BiConsumer<On, On> check) {
        assumeTrue(on.name().equals("emulated"), "a GPU has the shared memory that it has");
        try (Device small = open(on, kib);
                Device second = open(on, kib);
                Device large = open(on, 228)) {
            check.accept(on.with(small, second), on.with(small, large));
        }
    }

    @OnEachCudaDevice
    @Tag("device")
    void forward(On on) {
        onSmall(on, 100, (small, both) -> {
            AttentionCheck.forward(both, new AttentionCall(2, 1, 96), FAMILIES, 1);
            AttentionCheck.forward(small, new AttentionCall(2, 1, 128), FAMILIES, 1);
            AttentionCheck.forward(small, new AttentionCall(2, 1, 256), FAMILIES, 1);
            AttentionCheck.forward(
                    small, new AttentionCall(2, 1, 128).withWindow(33).withSoftCap(5), FAMILIES, 1);
        });
        onSmall(on, 164, (small, both) -> {
            AttentionCheck.forward(both, new AttentionCall(2, 1, 128), FAMILIES, 1);
            AttentionCheck.forward(both, new AttentionCall(2, 1, 256), FAMILIES, 1);
        });
    }

    /** The running maximum of the softmax moves from tile to tile, so another tile shows in the bits. */
    @OnEachCudaDevice
    @Tag("device")
    void forwardHasOtherTiles(On on) {
        onSmall(on, 100, (small, both) -> {
            for (int width : new int[] {128, 256}) {
                AttentionCall shape = new AttentionCall(2, 1, width);
                AttentionCall.Inputs inputs = AttentionCall.Inputs.random(shape, AttentionLayout.rows(FAMILIES), 1);
                assertThat(AttentionCheck.outputBits(small, shape, FAMILIES, inputs))
                        .as("bits at head width %d", width)
                        .isNotEqualTo(AttentionCheck.outputBits(
                                on.with(both.again(), both.again()), shape, FAMILIES, inputs));
            }
        });
    }

    /** Each call runs on both devices and must have the same bits: sums have the same order in all tiles. */
    @OnEachCudaDevice
    @Tag("device")
    void backward(On on) {
        for (int kib : new int[] {100, 164}) {
            onSmall(on, kib, (small, both) -> {
                for (int width : kib == 100 ? new int[] {64, 96, 128, 256} : new int[] {128, 256}) {
                    AttentionCheck.backward(both, new AttentionCall(2, 1, width), FAMILIES, 1);
                }
                AttentionCheck.backward(
                        both, new AttentionCall(3, 1, 128).withWindow(33).withSoftCap(5), FAMILIES, 1);
            });
        }
    }

    /**
     * With one tile in shared memory at a time: values that are not finite are hidden and added again, and reach the rows
     * that see them and no others.
     */
    @OnEachCudaDevice
    @Tag("device")
    void gradientsOfValuesThatAreNotFinite(On on) {
        for (int kib : new int[] {100, 164}) {
            onSmall(on, kib, (small, both) -> {
                AttentionCall shape = new AttentionCall(2, 1, 256);
                AttentionCall.Inputs inputs = AttentionCall.Inputs.random(shape, 40, 1);
                Arrays.fill(inputs.q(), 17 * shape.width(), 18 * shape.width(), Double.POSITIVE_INFINITY);
                Arrays.fill(inputs.k(), 30 * shape.kvWidth(), 31 * shape.kvWidth(), Double.NaN);
                long[][] bits = AttentionCheck.gradientBits(both, shape, plain(40), inputs);
                long[][] clean =
                        AttentionCheck.gradientBits(both, shape, plain(40), AttentionCall.Inputs.random(shape, 40, 1));
                int before = 17 * shape.width();
                Expect.sameBits("d_q before", Arrays.copyOf(bits[0], before), Arrays.copyOf(clean[0], before));
            });
        }
    }

    /** Values that are not finite reach the rows that see them and no others, in every tile. */
    @OnEachCudaDevice
    @Tag("device")
    void valuesThatAreNotFinite(On on) {
        onSmall(on, 100, (small, both) -> {
            AttentionCall shape = new AttentionCall(2, 1, 128);
            int rows = AttentionLayout.rows(FAMILIES);
            AttentionCall.Inputs inputs = AttentionCall.Inputs.random(shape, rows, 1);
            Arrays.fill(inputs.k(), 50 * shape.kvWidth(), 51 * shape.kvWidth(), Double.NaN);
            Arrays.fill(inputs.v(), 60 * shape.kvWidth(), 61 * shape.kvWidth(), Double.POSITIVE_INFINITY);
            long[] out = AttentionCheck.outputBits(small, shape, FAMILIES, inputs);
            AttentionCall.Inputs clean = AttentionCall.Inputs.random(shape, rows, 1);
            long[] expected = AttentionCheck.outputBits(small, shape, FAMILIES, clean);
            int before = 50 * shape.width();
            Expect.sameBits("rows before", Arrays.copyOf(out, before), Arrays.copyOf(expected, before));
        });
    }
}
