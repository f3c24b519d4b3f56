package org.dpo4j.conformance;

import static org.dpo4j.testkit.AttentionLayout.plain;
import static org.dpo4j.testkit.AttentionLayout.shared;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.util.List;
import java.util.function.Consumer;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.decoder.Segment;
import org.dpo4j.kernels.internal.CudaSettings;
import org.dpo4j.kernels.internal.Native;
import org.dpo4j.testkit.AttentionLayout.Family;
import org.junit.jupiter.api.Tag;

/**
 * Persistent kernels, with 1, 3 and 7 blocks or clusters for shapes of about ten tiles. On a large GPU there is a
 * cluster for each tile of a shape that tests can check, so no cluster would take a second tile, and in attention
 * backward no block would start after another has ended. {@link Tensors#run} runs each call with the set number and
 * with the device's own. The bits must be the same, because the order of sums depends only on sizes.
 */
class ResidentClustersTest {
    private static final int[] COUNTS = {1, 3, 7};

    /** Segments of 3, 2 and 4 tiles of rows and keys, with a prefix that crosses a tile's end. */
    private static final List<Segment> FAMILIES = shared(new Family(290, 140, 1), new Family(130, 3), new Family(5));

    private static void onFew(On on, String kernel, Consumer<On> check) {
        for (int count : COUNTS) {
            onFew(on, kernel, count, check);
        }
    }

    private static void onFew(On on, String kernel, int count, Consumer<On> check) {
        try (Device few = TestDevices.open(on, new CudaSettings("", count));
                Device asked = TestDevices.open(on, new CudaSettings("", 0))) {
            assumeTrue(Native.dpo4j_cuda_has_kernel(few.context(), kernel) == 1, few.processor() + " has no " + kernel);
            check.accept(on.with(few, asked));
        }
    }

    /**
     * Rows of one tile, which use single blocks, then clusters of two. The width has 1, 2 and 5 steps of 64. From 4
     * steps on, one warpgroup runs ahead of the other, also across tiles.
     */
    @OnEachCudaDevice
    @Tag("device")
    void lmHeadForward(On on) {
        onFew(on, "lm_head_forward_sm90a", both -> {
            LmHeadForwardCall.random(100, 2000, 24, 3).check(both);
            LmHeadForwardCall.random(3, 2100, 264, 3).check(both);
            LmHeadForwardCall.random(300, 1100, 72, 3).check(both);
            LmHeadForwardCall.random(260, 900, 264, 3).check(both);
        });
    }

    /** The same; in the last call, rows get another offset, so that the products run twice. */
    @OnEachCudaDevice
    @Tag("device")
    void lmHeadExponentials(On on) {
        onFew(on, "lm_head_exponentials_sm90a", both -> {
            LmHeadExponentialsCall.random(3, 1100, 264, 3).check(both);
            LmHeadExponentialsCall.random(260, 900, 24, 200).check(both);
        });
    }

    @OnEachCudaDevice
    @Tag("device")
    void attentionForward(On on) {
        onFew(on, "attention_forward_sm90a", both -> {
            AttentionCheck.forward(both, new AttentionCall(3, 1, 64).withStrides(8), plain(300, 22), 1);
            AttentionCheck.forward(both, new AttentionCall(10, 10, 64), plain(3, 0, 140, 1, 2), 1);
            AttentionCheck.forward(both, new AttentionCall(2, 1, 128), FAMILIES, 1);
        });
    }

    @OnEachCudaDevice
    @Tag("device")
    void attentionBackward(On on) {
        onFew(on, "attention_backward_sm90a", both -> {
            AttentionCheck.backward(both, new AttentionCall(3, 1, 64).withStrides(8), FAMILIES, 1);
            AttentionCheck.backward(both, new AttentionCall(2, 2, 128), plain(260, 0, 40), 1);
        });
    }

    /**
     * Sums of d_q in the smallest ring of rows: of one key head and an eighth more. The device's own number needs the rows
     * of all heads of these shapes, so the calls that repeat them have no ring.
     */
    @OnEachCudaDevice
    @Tag("device")
    void attentionBackwardInARing(On on) {
        List<Segment> families = shared(new Family(130, 129, 20), new Family(106));
        onFew(on, "attention_backward_sm90a", 7, both -> {
            AttentionCheck.backward(both, new AttentionCall(2, 2, 128), families, 1);
            AttentionCheck.backward(both, new AttentionCall(3, 3, 64).withWindow(140), plain(378, 7), 1);
        });
    }
}
