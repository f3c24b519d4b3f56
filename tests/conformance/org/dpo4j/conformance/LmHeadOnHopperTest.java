package org.dpo4j.conformance;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.util.List;
import java.util.SplittableRandom;
import java.util.function.ObjLongConsumer;
import org.dpo4j.conformance.LargeTensor.Image;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.TokenLogProb.TokenResults;
import org.dpo4j.kernels.TokenLogProb.Transform;
import org.dpo4j.kernels.head.HeadPlan;
import org.dpo4j.kernels.head.HeadPlan.Use;
import org.dpo4j.kernels.head.LmHead;
import org.dpo4j.kernels.head.LmHead.HeadRows;
import org.dpo4j.kernels.head.LmHeadForward;
import org.dpo4j.kernels.head.LmHeadForward.Head;
import org.dpo4j.kernels.head.LmHeadForward.HiddenRows;
import org.dpo4j.kernels.internal.CudaSettings;
import org.junit.jupiter.api.Tag;

/**
 * Compares log-probs of the fused kernel for sm_90a with those of a matrix product and token_logprob, in every row, at
 * the size of a real head on a GPU and at a small one on the emulated device. Then repeats the fused call and compares
 * bits.
 */
class LmHeadOnHopperTest {
    private static final long WORKSPACE_BYTES = 512L << 20;

    /**
     * Logits are N(0, 3). A tensor core truncates its sums, so a logit shrinks by a relative width / 16 * 2^-25 ({@link
     * LmHeadForwardTest}), which is 1.9e-6 at width 1024. Log-prob and lse are differences and means of logits below
     * 20, so their error is 4e-5. Rounding all additions to nearest gives less. token_logprob adds 2e-5 (fp32 logits of
     * 20, a sum over 5e4 columns). So each path is within 1e-4, and the two differ by at most twice that.
     */
    private static final double ALLOWED = 2e-4;

    /** Sizes of a call. */
    private record Size(int rows, int vocabulary, int hidden) {}

    @OnEachCudaDevice
    @Tag("device")
    void everyRowAtASmallSize(On on) {
        compare(on, new Size(300, 701, 72), 3);
    }

    @OnEachCudaDevice
    @Tag("device")
    @Tag("large")
    void everyRowAtARealSize(On on) {
        assumeTrue(on.name().equals("cuda"), "4096 rows of a vocabulary of 50257 take a GPU");
        compare(on, new Size(4096, 50_257, 1024), 50);
    }

    private static void compare(On on, Size size, int times) {
        double bound = 9 / Math.sqrt(size.hidden); // uniform hidden in (-1, 1): the standard deviation of a logit is 3
        try (Device hopper = TestDevices.open(on, new CudaSettings("", 0))) {
            String lacks = LmHeadForward.lacks(hopper, DType.BF16);
            assumeTrue(lacks.isEmpty(), lacks);
            try (LargeTensor hidden = LargeTensor.uniform(hopper, (long) size.rows * size.hidden, 1, 1);
                    LargeTensor weight = LargeTensor.uniform(hopper, (long) size.vocabulary * size.hidden, bound, 2);
                    LargeTensor targets = LargeTensor.output(hopper, DType.F32, size.rows)) {
                hopper.upload(
                        targets.address(),
                        new SplittableRandom(3)
                                .ints(size.rows, 0, size.vocabulary)
                                .toArray());
                List<Image> chunks = inChunks(hopper, size, hidden, weight, targets);
                List<Image> fused = fused(hopper, size, hidden, weight, targets);
                near("log-prob", fused.get(0), chunks.get(0));
                near("lse", fused.get(1), chunks.get(1));
                for (int i = 1; i < times; i++) {
                    List<Image> again = fused(hopper, size, hidden, weight, targets);
                    again.get(0).sameBitsAs(fused.get(0), "log-probs, time " + i);
                    again.get(1).sameBitsAs(fused.get(1), "lse, time " + i);
                }
            }
        }
    }

    private static List<Image> inChunks(
            Device device, Size size, LargeTensor hidden, LargeTensor weight, LargeTensor targets) {
        HeadPlan plan =
                HeadPlan.within(WORKSPACE_BYTES, size.rows, Use.FORWARD, size.vocabulary, size.hidden, DType.BF16);
        return run(
                device,
                size,
                plan.workspaceBytes(),
                (results, workspace) -> new LmHead(device, plan, weight.address(), Transform.NONE, workspace)
                        .forward(results, new HeadRows(hidden.address(), targets.address(), size.rows)));
    }

    private static List<Image> fused(
            Device device, Size size, LargeTensor hidden, LargeTensor weight, LargeTensor targets) {
        long bytes = LmHeadForward.workspaceBytes(size.rows, size.vocabulary);
        return run(
                device,
                size,
                bytes,
                (results, workspace) -> LmHeadForward.forward(
                        device,
                        results,
                        workspace,
                        new HiddenRows(hidden.address(), size.hidden, targets.address(), size.rows),
                        Head.contiguous(weight.address(), size.vocabulary, size.hidden, DType.BF16)));
    }

    /** Log-probs and lse of a call, which receives the addresses of the results and of a workspace. */
    private static List<Image> run(Device device, Size size, long workspaceBytes, ObjLongConsumer<TokenResults> call) {
        try (LargeTensor workspace = LargeTensor.output(device, DType.F32, (workspaceBytes + 3) / 4);
                LargeTensor logprob = LargeTensor.output(device, DType.F32, size.rows);
                LargeTensor lse = LargeTensor.output(device, DType.F32, size.rows)) {
            call.accept(new TokenResults(logprob.address(), lse.address()), workspace.address());
            return List.of(logprob.image(), lse.image());
        }
    }

    private static void near(String what, Image fused, Image chunks) {
        for (int i = 0; i < chunks.count(); i++) {
            double difference = Math.abs((double) fused.get(i) - chunks.get(i));
            if (!(difference <= ALLOWED)) {
                throw new AssertionError("%s of row %d: fused %s, in chunks %s: %.3e apart, allowed %.0e"
                        .formatted(what, i, fused.get(i), chunks.get(i), difference, ALLOWED));
            }
        }
    }
}
