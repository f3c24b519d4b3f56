package org.dpo4j.conformance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import java.util.stream.IntStream;
import org.dpo4j.conformance.LmHeadRun.Left;
import org.dpo4j.conformance.LmHeadRun.Way;
import org.dpo4j.conformance.LmHeadRun.WeightBefore;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.kernels.TokenLogProb.Transform;
import org.dpo4j.kernels.head.HeadPlan;
import org.dpo4j.kernels.head.HeadPlan.Path;
import org.dpo4j.kernels.head.HeadPlan.Use;
import org.dpo4j.kernels.head.LmHead;
import org.dpo4j.kernels.head.LmHeadExponentials;
import org.junit.jupiter.api.Tag;

/**
 * The LM head on {@link Path#EXPONENTIALS}, within the bounds that {@link LmHeadTest} has for logits: E is rounded to
 * bf16 once, as a gradient of logits is, and both products are scaled and rounded as with a unit gradient. The 2^-16 of
 * the kernel's fp32 arithmetic is less than what those bounds allow for higher orders, a hundredth of 2^-8.
 */
class LmHeadOnExponentialsTest {
    private static final List<Way> WAYS = List.of(Way.FORWARD, Way.KNOWN, Way.UNIT, Way.KNOWN_FROZEN, Way.UNIT_FROZEN);

    /** Whether the device can run it. If it cannot, checks that a head says so. */
    private static boolean isSupported(On on) {
        if (on.dtype() != DType.BF16) {
            return false;
        }
        String lacks = LmHeadExponentials.lacks(on.device(), DType.BF16);
        if (!lacks.isEmpty()) {
            refused(lacks, () -> head(on, Use.TRAINING, Transform.NONE));
        }
        return lacks.isEmpty();
    }

    private static LmHead head(On on, Use use, Transform transform) {
        HeadPlan plan = new HeadPlan(use, 100, 16, DType.BF16, 8, Path.EXPONENTIALS);
        return new LmHead(on.device(), plan, 0, transform, 0);
    }

    private static void refused(String word, Runnable call) {
        assertThatThrownBy(call::run).isInstanceOf(Dpo4jException.class).hasMessageContaining(word);
    }

    private static Left check(On on, LmHeadCall call, Way way, int chunkRows) {
        Left left = LmHeadRun.of(on, call, way, chunkRows, Path.EXPONENTIALS);
        ReferenceLmHead expected = ReferenceLmHead.of(call, left, 0x1p-8);
        String what = "%s %s, chunks of %d".formatted(way, call, chunkRows);
        Expect.near(what + " logprob", left.logprob(), expected.logprob, i -> expected.ofLogProb[i]);
        Expect.near(what + " lse", left.lse(), expected.lse, i -> expected.ofLse[i]);
        if (way != Way.FORWARD) {
            Expect.near(
                    what + " d_hidden",
                    left.dHidden(),
                    expected.dHidden,
                    i -> expected.ofDHidden[i] + roundings(way, call, chunkRows) * Math.abs(expected.dHidden[i]));
        }
        if (way.use == Use.TRAINING) {
            Expect.near(what + " d_weight", left.dWeight(), expected.dWeight, i -> expected.ofDWeight[i]);
            Expect.near(what + " d_bias", left.dBias(), dBias(call, left, expected), i -> expected.ofDBias[i]);
        }
        return left;
    }

    /** A third rounding to bf16, in several chunks of a frozen head whose loss is known last. */
    private static double roundings(Way way, LmHeadCall call, int chunkRows) {
        return way == Way.UNIT_FROZEN && chunkRows < call.rows() ? 1.03 * 0x1p-8 : 0;
    }

    /** Without a bias its gradient is not written. */
    private static double[] dBias(LmHeadCall call, Left left, ReferenceLmHead expected) {
        return call.transform().bias() == null ? left.dBiasBefore() : expected.dBias;
    }

    @OnEachDType
    @Tag("small")
    void smallHeads(On on) {
        if (!isSupported(on)) {
            return;
        }
        int[][] shapes = {{1, 1, 8}, {5, 7, 16}, {4, 333, 72}};
        for (int[] shape : shapes) {
            LmHeadCall call = LmHeadCall.random(shape[0], shape[1], shape[2]);
            for (Way way : WAYS) {
                check(on, call, way, 2);
                check(on, call.withTransform(new LogitTransform(null, 0.25, 0)), way, shape[0]);
                check(on, call.withTransform(LogitTransform.random(shape[1], 1, 0.5, 0)), way, 2);
                check(on, call.withTransform(LogitTransform.random(shape[1], 1, 1, 3)), way, shape[0]);
            }
        }
    }

    /** Masked rows have gradient 0. Improbable targets give their rows another offset. */
    @OnEachDType
    @Tag("small")
    void maskedRowsAndImprobableTargets(On on) {
        if (!isSupported(on)) {
            return;
        }
        LmHeadCall call = LmHeadCall.random(5, 19, 8).withTargets(3, -1, 18, -100, 0);
        for (Way way : WAYS) {
            check(on, call, way, 2);
            check(on, call, way, 5);
            check(on, LmHeadCall.random(6, 50, 8, 90), way, 6);
        }
        Left left = check(on, call.select(1, 3), Way.UNIT, 2);
        Expect.exactly("d_hidden of masked rows", left.dHidden(), new double[left.dHidden().length]);
        left = check(on, call.select(1, 3), Way.UNIT_FROZEN, 1);
        Expect.exactly("d_hidden of masked rows", left.dHidden(), new double[left.dHidden().length]);
        left = check(on, call.select(1, 3), Way.UNIT, 2);
        assertThat(left.dWeight()).containsExactly(left.dWeightBefore());
        check(on, call.select(), Way.UNIT, 2);
    }

    /**
     * Log-probs and lse have the same bits in every way, in any chunks and beside any rows, so those of a reference are
     * those of training. Gradients of hidden rows too, also those of the fourth product, which computes the same
     * exponentials again.
     */
    @OnEachDType
    @Tag("small")
    void bits(On on) {
        if (!isSupported(on)) {
            return;
        }
        LmHeadCall call = LmHeadCall.random(9, 261, 16);
        int[] inOrder = IntStream.range(0, 9).toArray();
        Left whole = LmHeadRun.of(on, call, Way.UNIT, 9, Path.EXPONENTIALS);
        for (Way way : WAYS) {
            for (int chunkRows : new int[] {1, 4, 20}) {
                String what = "%s in chunks of %d".formatted(way, chunkRows);
                Left left = LmHeadRun.of(on, call, way, chunkRows, Path.EXPONENTIALS);
                left.bits().sameNumbers(what, whole.bits(), inOrder);
                if (way != Way.FORWARD && (way != Way.UNIT_FROZEN || chunkRows > 9)) {
                    left.bits().sameHidden(what, whole.bits(), 16, inOrder);
                }
            }
        }
        int[] some = {7, 2, 3};
        Left left = LmHeadRun.of(on, call.select(some), Way.UNIT, 2, Path.EXPONENTIALS);
        left.bits().sameNumbers("some rows", whole.bits(), some);
        left.bits().sameHidden("some rows", whole.bits(), 16, some);
    }

    @OnEachDType
    @Tag("small")
    void refusesWhatItCannotDo(On on) {
        for (HeadPlan plan : List.of(
                new HeadPlan(Use.TRAINING, 9, 16, DType.F32, 2), new HeadPlan(Use.TRAINING, 9, 12, DType.BF16, 2))) {
            refused("EXPONENTIALS needs BF16", () -> plan.withPath(Path.EXPONENTIALS));
        }
        if (isSupported(on)) {
            refused("no logits", () -> head(on, Use.FORWARD, Transform.NONE).logits(0, 1));
        }
    }

    /** The first product of a call overwrites d_weight, and those of other chunks add to it. */
    @OnEachDType
    @Tag("small")
    void overwritesTheWeightsGradient(On on) {
        if (!isSupported(on)) {
            return;
        }
        LmHeadCall call = LmHeadCall.random(9, 61, 16);
        for (Way way : List.of(Way.KNOWN, Way.UNIT)) {
            for (int chunkRows : new int[] {4, 9}) {
                Left added = LmHeadRun.of(on, call, way, chunkRows, WeightBefore.ZEROS, Path.EXPONENTIALS);
                Left written = LmHeadRun.of(on, call, way, chunkRows, WeightBefore.OVERWRITTEN, Path.EXPONENTIALS);
                Expect.sameBits(
                        "d_weight", written.bits().dWeight(), added.bits().dWeight());
            }
        }
    }

    /**
     * A frozen head has two products, whatever its chunks: forward and the gradient of hidden states, 4 rows vocabulary hidden FLOPs. A
     * trained one has three, or four.
     */
    @OnEachDType
    @Tag("small")
    void countsItsProducts(On on) {
        HeadPlan frozen = new HeadPlan(Use.FROZEN, 300, 16, DType.BF16, 4, Path.EXPONENTIALS);
        HeadPlan trained = new HeadPlan(Use.TRAINING, 300, 16, DType.BF16, 4, Path.EXPONENTIALS);
        assertThat(frozen.products(4)).isEqualTo(2);
        assertThat(frozen.products(9)).isEqualTo(2);
        assertThat(trained.products(4)).isEqualTo(3);
        assertThat(trained.products(9)).isEqualTo(4);
        assertThat(trained.workspaceBytes())
                .isEqualTo(frozen.workspaceBytes() + 256); // 4 scaled hidden rows of 32 bytes
        if (isSupported(on)) {
            CountingDevice counting = new CountingDevice(on.device(), 300);
            LmHeadCall call = LmHeadCall.random(9, 300, 16);
            On counted = on.with(counting.device(), counting.device());
            LmHeadRun.of(counted, call, Way.UNIT_FROZEN, 4, Path.EXPONENTIALS);
            assertThat(List.of(counting.logits, counting.dRows, counting.dHead))
                    .containsExactly(0, 2 * 9, 0); // two devices
        }
    }

    /** 2 bytes per row and column of the vocabulary, 28 more per row and 256 columns, and 2 per column of the width. */
    @OnEachDType
    @Tag("small")
    void fillsItsBudget(On on) {
        if (!isSupported(on)) {
            return;
        }
        HeadPlan one = new HeadPlan(Use.TRAINING, 128_256, 4096, DType.BF16, 1, Path.EXPONENTIALS);
        long row = 2 * 128_256 + 2 * 4096 + 28 * 501 + 32;
        long max = (1L << 30) / row / 256 * 256;
        HeadPlan plan = HeadPlan.within(1L << 30, 10 * max, one);
        assertThat(plan.path()).isEqualTo(Path.EXPONENTIALS);
        assertThat(plan.workspaceBytes()).isLessThanOrEqualTo(1L << 30);
        assertThat(plan.chunkRows()).isEqualTo(max);
        assertThat(plan.products(plan.chunkRows() + 1)).isEqualTo(4);
    }
}
