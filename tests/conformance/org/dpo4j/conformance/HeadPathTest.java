package org.dpo4j.conformance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.dpo4j.conformance.LmHeadForwardCall.Left;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.DeviceBuffer;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.kernels.TokenLogProb.Results;
import org.dpo4j.kernels.TokenLogProb.Transform;
import org.dpo4j.kernels.head.HeadPath;
import org.dpo4j.kernels.head.HeadPlan;
import org.dpo4j.kernels.head.HeadPlan.Use;
import org.dpo4j.kernels.head.HeadTimes;
import org.dpo4j.kernels.head.LmHead;
import org.dpo4j.kernels.head.LmHead.Rows;
import org.junit.jupiter.api.Tag;

/** Both paths of log-probs by one head, and the times of both; where a device has one path alone, the other is refused by name. */
class HeadPathTest {
    private static final int ROWS = 7;
    private static final int VOCABULARY = 300;
    private static final int HIDDEN = 24;
    private static final long BYTES = 1 << 20;

    private static boolean fused(On on) {
        return HeadPath.FUSED.isSupported(on.device(), DType.BF16);
    }

    private static HeadPlan plan(int chunkRows) {
        return new HeadPlan(Use.FORWARD, VOCABULARY, HIDDEN, DType.BF16, chunkRows, HeadPath.FUSED);
    }

    @OnEachDevice
    @Tag("small")
    void everyDeviceHasChunksAndHopperBoth(On on) {
        assertThat(HeadPath.CHUNKS.isSupported(on.device(), DType.F32)).isTrue();
        assertThat(HeadPath.CHUNKS.isSupported(on.device(), DType.BF16)).isEqualTo(on.cuda());
        assertThat(HeadPath.FUSED.isSupported(on.device(), DType.F32)).isFalse();
        if (!on.cuda()) {
            assertThat(fused(on)).isFalse();
        } else if (on.name().equals("emulated")) {
            assertThat(fused(on)).isTrue();
        }
    }

    /** The expected values and the bounds are those of the operation; launches of few rows leave its bits. */
    @OnEachDevice
    @Tag("small")
    void headTakesTheFusedPath(On on) {
        LmHeadForwardCall call = LmHeadForwardCall.random(ROWS, VOCABULARY, HIDDEN, 3)
                .withBias(new Draw(8).normal(VOCABULARY, 2))
                .withTransformation(0.5f, 20);
        call.checkHead(on, ROWS);
        Left operation = call.run(on);
        for (int chunkRows : new int[] {1, 3, ROWS, 1000}) {
            Left head = call.run(on, chunkRows);
            if (head != null && operation != null) {
                assertThat(head.logprobBits()).containsExactly(operation.logprobBits());
                assertThat(head.lseBits()).containsExactly(operation.lseBits());
            }
        }
    }

    @OnEachDevice
    @Tag("small")
    void fusedPathHasNeitherStatisticsNorLogits(On on) {
        if (!fused(on)) {
            return;
        }
        HeadPlan plan = plan(ROWS);
        try (DeviceBuffer memory = on.device().allocate(1 << 16)) {
            long at = memory.address();
            LmHead head = new LmHead(on.device(), plan, at, Transform.NONE, at);
            refused("statistics", () -> head.forward(new Results(at, at, at), new Rows(at, at, ROWS)));
            refused("no logits", () -> head.logits(at, ROWS));
            refused(
                    "FORWARD",
                    () -> head.forwardUnit(LmHead.Gradients.ofHidden(at), new Results(at, at), new Rows(at, at, 1)));
        }
    }

    /** 8 bytes for each row and 256 columns of the vocabulary, and 4 for its target: as the head of the kernel says. */
    @OnEachDevice
    @Tag("small")
    void planHasTheMemoryOfItsPath(On on) {
        if (!fused(on)) {
            return;
        }
        long row = 8 * ((VOCABULARY + 255) / 256) + 4;
        assertThat(plan(1000).workspaceBytes()).isBetween(1000 * row, 1000 * row + 255);
        HeadPlan within = HeadPlan.within(1 << 14, 1 << 20, HeadPath.FUSED, VOCABULARY, HIDDEN, DType.BF16);
        assertThat(within.chunkRows()).isEqualTo((1 << 14) / row);
        assertThat(HeadPlan.within(1 << 14, 5, HeadPath.FUSED, VOCABULARY, HIDDEN, DType.BF16)
                        .chunkRows())
                .isEqualTo(5);
    }

    @OnEachDevice
    @Tag("small")
    void measuresBothPaths(On on) {
        Device device = on.device();
        if (!fused(on)) {
            assertThatThrownBy(() -> HeadTimes.measure(device, BYTES, ROWS, VOCABULARY, HIDDEN, DType.BF16))
                    .isInstanceOf(Dpo4jException.class)
                    .hasMessageContaining("HeadTimes")
                    .hasMessageContaining("CHUNKS");
            return;
        }
        long before = device.allocatedBytes();
        HeadTimes times = HeadTimes.measure(device, BYTES, ROWS, VOCABULARY, HIDDEN, DType.BF16);
        assertThat(device.allocatedBytes()).isEqualTo(before);
        assertThat(times.processor()).isEqualTo(device.processor());
        assertThat(times.rows()).isEqualTo(ROWS);
        assertThat(times.chunksMicroseconds()).isPositive();
        assertThat(times.fusedMicroseconds()).isPositive();
        assertThatThrownBy(() -> HeadTimes.measure(device, BYTES, ROWS, VOCABULARY, HIDDEN, DType.F32))
                .isInstanceOf(Dpo4jException.class)
                .hasMessageContaining("F32");
    }

    private static void refused(String word, Runnable call) {
        assertThatThrownBy(call::run)
                .isInstanceOf(Dpo4jException.class)
                .hasMessageContaining("lm_head")
                .hasMessageContaining(word);
    }
}
