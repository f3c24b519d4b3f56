package org.dpo4j.conformance;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.dpo4j.conformance.LmHeadRun.Left;
import org.dpo4j.conformance.LmHeadRun.Way;
import org.dpo4j.conformance.LmHeadRun.WeightBefore;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.TokenLogProb;
import org.dpo4j.kernels.head.HeadPlan.Path;
import org.dpo4j.kernels.head.HeadPlan.Use;
import org.dpo4j.testkit.Bfloat16;
import org.dpo4j.testkit.ReferenceTokenLogProb;
import org.dpo4j.testkit.Tolerance;
import org.junit.jupiter.api.Tag;

/**
 * Compares log-probs and gradients of an LM head with the reference, for every way to compute them and several chunk
 * sizes.
 */
class LmHeadTest {

    /** No transform, each part of one alone, and all parts together. */
    private static List<LogitTransform> transforms(int vocabulary) {
        return List.of(
                LogitTransform.NONE,
                LogitTransform.random(vocabulary, 1, 1, 0),
                new LogitTransform(null, 0.25, 0),
                new LogitTransform(null, 1, 3),
                LogitTransform.random(vocabulary, 1, 1.5, 6));
    }

    private static Left check(On on, LmHeadCall call, Way way, int chunkRows) {
        Left left = LmHeadRun.of(on, call, way, chunkRows);
        double unit = on.dtype() == DType.BF16 ? 0x1p-8 : 0;
        ReferenceLmHead expected = ReferenceLmHead.of(call, left, unit);
        String what = "%s %s, chunks of %d".formatted(way, call, chunkRows);
        Expect.near(what + " logprob", left.logprob(), expected.logprob, i -> expected.ofLogProb[i]);
        Expect.near(what + " lse", left.lse(), expected.lse, i -> expected.ofLse[i]);
        if (way != Way.FORWARD) {
            Expect.near(what + " d_hidden", left.dHidden(), expected.dHidden, i -> expected.ofDHidden[i]);
        }
        if (way.use == Use.TRAINING) {
            Expect.near(what + " d_weight", left.dWeight(), expected.dWeight, i -> expected.ofDWeight[i]);
            double[] dBias = call.transform().bias() == null ? left.dBiasBefore() : expected.dBias;
            Expect.near(what + " d_bias", left.dBias(), dBias, i -> expected.ofDBias[i]);
        }
        return left;
    }

    @OnEachDType
    @Tag("small")
    void smallHeads(On on) {
        int[][] shapes = {{1, 1, 8}, {5, 7, 16}, {3, 2, 24}, {4, 33, 8}};
        for (int[] shape : shapes) {
            LmHeadCall call = LmHeadCall.random(shape[0], shape[1], shape[2]);
            for (LogitTransform transform : transforms(shape[1])) {
                for (Way way : Way.values()) {
                    check(on, call.withTransform(transform), way, 2);
                    check(on, call.withTransform(transform), way, shape[0]);
                }
            }
        }
    }

    /** Masked rows have gradient 0 and add nothing to the gradient of the matrix. */
    @OnEachDType
    @Tag("small")
    void maskedRows(On on) {
        LmHeadCall call = LmHeadCall.random(5, 19, 8)
                .withTargets(3, -1, 18, -100, 0)
                .withTransform(LogitTransform.random(19, 1, 1, 5));
        for (Way way : Way.values()) {
            check(on, call, way, 2);
            check(on, call, way, 5);
        }
        check(on, call.select(1, 3), Way.UNIT, 2);
    }

    @OnEachDType
    @Tag("small")
    void noRows(On on) {
        LmHeadCall call = LmHeadCall.random(3, 9, 8).select();
        for (Way way : Way.values()) {
            if (way != Way.UNFUSED) {
                check(on, call, way, 2);
            }
        }
    }

    /**
     * Vocabularies of Qwen 2 and GPT-2; hidden sizes of Qwen 2 and SmolLM 2, and an odd one with chunks of a multiple
     * of 16 bytes.
     */
    @OnEachDTypeOfWidest
    @Tag("large")
    void sizesOfRealModels(On on) {
        int[][] shapes = {{3, 151_936, 8}, {2, 50_257, 8}, {9, 33, 896}, {9, 50, 576}, {17, 29, 577}};
        for (int[] shape : shapes) {
            LmHeadCall call = LmHeadCall.random(shape[0], shape[1], shape[2]);
            int chunkRows = shape[0] < 8 ? 2 : 8;
            check(on, call, Way.UNIT, chunkRows);
            check(on, call, Way.UNIT, shape[0]);
            check(on, call, Way.UNIT_FROZEN, chunkRows);
            check(on, call.withTransform(LogitTransform.random(shape[1], 1, 1, 9)), Way.KNOWN, chunkRows);
        }
    }

    /**
     * Results have the bits that {@code LmHead} promises. Log-probs, lse and statistics do not depend on the way, the
     * chunk size or the other rows. Gradients of hidden rows are those of whole logits in any chunks, if d_logprob is
     * known before forward or the logits are recomputed. If d_logprob is known, one chunk also gives the weight and
     * bias gradients of whole logits.
     */
    @OnEachDType
    @Tag("small")
    void bits(On on) {
        for (LogitTransform transform : List.of(LogitTransform.NONE, LogitTransform.random(61, 1, 0.7, 4))) {
            LmHeadCall call = LmHeadCall.random(9, 61, 16).withTransform(transform);
            int[] inOrder = IntStream.range(0, 9).toArray();
            Left unfused = LmHeadRun.of(on, call, Way.UNFUSED, 9);
            Left known = LmHeadRun.of(on, call, Way.KNOWN, 9);
            Expect.sameBits(
                    "d_weight of whole logits",
                    known.bits().dWeight(),
                    unfused.bits().dWeight());
            Expect.sameBits(
                    "d_bias of whole logits",
                    known.bits().dBias(),
                    unfused.bits().dBias());
            for (Way way : Way.values()) {
                for (int chunkRows : new int[] {1, 2, 4, 8, 9, 20}) {
                    String what = "%s in chunks of %d of %s".formatted(way, chunkRows, call);
                    Left left = LmHeadRun.of(on, call, way, chunkRows);
                    left.bits().sameNumbers(what, unfused.bits(), inOrder);
                    if (way == Way.KNOWN || way == Way.KNOWN_FROZEN || recomputes(way, chunkRows)) {
                        left.bits().sameHidden(what, unfused.bits(), 16, inOrder);
                    }
                }
                int[] some = {7, 2, 3};
                Left left = LmHeadRun.of(on, call.select(some), way, 2);
                left.bits().sameNumbers(way + " of some rows", unfused.bits(), some);
            }
        }
    }

    /** An overwritten d_weight has the bits of one that was zeroed before, whatever it holds, in any chunks and without rows. */
    @OnEachDType
    @Tag("small")
    void anOverwrittenWeightHasTheBitsOfAZeroedOne(On on) {
        LmHeadCall call = LmHeadCall.random(9, 61, 16).withTransform(LogitTransform.random(61, 1, 0.7, 4));
        for (LmHeadCall rows : List.of(call, call.select())) {
            for (Way way : List.of(Way.KNOWN, Way.UNIT)) {
                for (int chunkRows : new int[] {2, 4, 9}) {
                    String what = "%s in chunks of %d of %s".formatted(way, chunkRows, rows);
                    Left zeroed = LmHeadRun.of(on, rows, way, chunkRows, WeightBefore.ZEROS);
                    Left overwritten = LmHeadRun.of(on, rows, way, chunkRows, WeightBefore.OVERWRITTEN);
                    Expect.sameBits(
                            what + " d_weight",
                            overwritten.bits().dWeight(),
                            zeroed.bits().dWeight());
                    Expect.sameBits(
                            what + " d_bias",
                            overwritten.bits().dBias(),
                            zeroed.bits().dBias());
                }
            }
        }
    }

    /** A bf16 gradient that overwrites its own row of logits has the bits of one beside the logits, also if these are computed twice. */
    @OnEachDType
    @Tag("small")
    void aGradientInPlaceHasTheBitsOfOneBeside(On on) {
        if (!TokenLogProb.narrowsInPlace(on.device(), 61)) {
            return;
        }
        for (LogitTransform transform : List.of(LogitTransform.NONE, LogitTransform.random(61, 1, 0.7, 4))) {
            LmHeadCall call =
                    LmHeadCall.random(9, 61, 16).withTransform(transform).withTargets(3, -1, 60, 0, 7, 8, -1, 59, 31);
            for (Way way : List.of(Way.FORWARD, Way.KNOWN, Way.KNOWN_FROZEN, Way.UNIT, Way.UNIT_FROZEN)) {
                for (int chunkRows : new int[] {2, 4, 9}) {
                    String what = "%s in chunks of %d of %s".formatted(way, chunkRows, call);
                    LmHeadRun.Bits beside =
                            LmHeadRun.of(on, call, way, chunkRows, Path.LOGITS).bits();
                    LmHeadRun.Bits inPlace = LmHeadRun.of(on, call, way, chunkRows, Path.LOGITS_IN_PLACE)
                            .bits();
                    Expect.sameBits(what + " logprob", inPlace.logprob(), beside.logprob());
                    Expect.sameBits(what + " lse", inPlace.lse(), beside.lse());
                    Expect.sameBits(what + " statistics", inPlace.statistics(), beside.statistics());
                    Expect.sameBits(what + " d_hidden", inPlace.dHidden(), beside.dHidden());
                    Expect.sameBits(what + " d_weight", inPlace.dWeight(), beside.dWeight());
                    Expect.sameBits(what + " d_bias", inPlace.dBias(), beside.dBias());
                }
            }
        }
    }

    private static boolean recomputes(Way way, int chunkRows) {
        return way == Way.UNIT && chunkRows < 9;
    }

    /**
     * Gradients of hidden rows have the same bits whether the unit gradients are kept in the memory of the logits (one
     * chunk) or, with a frozen head, in that of the hidden rows (any chunks).
     */
    @OnEachDType
    @Tag("small")
    void bitsOfUnitGradients(On on) {
        LmHeadCall call = LmHeadCall.random(9, 61, 16);
        int[] inOrder = IntStream.range(0, 9).toArray();
        Left whole = LmHeadRun.of(on, call, Way.UNIT, 9);
        for (int chunkRows : new int[] {1, 2, 4, 9, 20}) {
            LmHeadRun.of(on, call, Way.UNIT_FROZEN, chunkRows).bits().sameHidden("frozen", whole.bits(), 16, inOrder);
        }
        int[] some = {5, 0, 8};
        LmHeadRun.of(on, call.select(some), Way.UNIT, 3).bits().sameHidden("some rows", whole.bits(), 16, some);
    }

    /**
     * Log-probs are within 1e-4 nat of fp64 on the same bf16 inputs, at the hidden size of an 8B model, for targets
     * with little and with nearly all of the probability. Roundings of a running sum s are independent and at most U
     * |s|, so the error of a logit has the variance U^2 / 3 times the sum of s^2. The tolerance is six standard
     * deviations of the combined error of the logits, for any order of summation, plus the error of the softmax.
     */
    @OnEachDTypeOfWidest
    @Tag("large")
    void withinTenThousandthOfANat(On on) {
        LmHeadCall call = ofEightBillion();
        Left left = LmHeadRun.of(on, call, Way.FORWARD, 3);
        for (int row = 0; row < call.rows(); row++) {
            int target = call.targets()[row];
            double[] logits = new double[call.vocabulary()];
            double[] deviations = new double[call.vocabulary()];
            for (int j = 0; j < logits.length; j++) {
                double squares = 0;
                for (int k = 0; k < call.hidden(); k++) {
                    logits[j] += call.x()[row * call.hidden() + k] * call.w()[j * call.hidden() + k];
                    squares += logits[j] * logits[j];
                }
                deviations[j] = Tolerance.U * Math.sqrt(squares / 3);
            }
            double lse = ReferenceTokenLogProb.lse(logits);
            double logprob = ReferenceTokenLogProb.forward(logits, target);
            double varianceOfLse = 0;
            double varianceOfLogProb = 0;
            for (int j = 0; j < logits.length; j++) {
                double p = Math.exp(logits[j] - lse);
                varianceOfLse += Math.pow(p * deviations[j], 2);
                varianceOfLogProb += Math.pow(((j == target ? 1 : 0) - p) * deviations[j], 2);
            }
            double ofLse = 6 * Math.sqrt(varianceOfLse) + Tolerance.lse(logits);
            double ofLogProb = 6 * Math.sqrt(varianceOfLogProb) + Tolerance.logProb(logits, target);
            assertThat(ofLse).isLessThan(1e-4);
            assertThat(ofLogProb).isLessThan(1e-4);
            assertThat(Math.abs(left.logprob()[row] - logprob))
                    .as("row %d", row)
                    .isLessThanOrEqualTo(ofLogProb);
            assertThat(Math.abs(left.lse()[row] - lse)).as("lse of row %d", row).isLessThanOrEqualTo(ofLse);
        }
    }

    /** Logits are normal(0, 2); in half of the rows the target's logit is 7 larger. Inputs are rounded to bf16. */
    private static LmHeadCall ofEightBillion() {
        int hidden = 4096;
        LmHeadCall drawn = LmHeadCall.random(6, 512, hidden).withTargets(5, 511, 250, 0, 225, 375);
        double[] x = rounded(drawn.x());
        double[] w = drawn.w().clone();
        for (int row = 0; row < 3; row++) {
            for (int k = 0; k < hidden; k++) {
                w[drawn.targets()[row] * hidden + k] += 7 * x[row * hidden + k] / hidden;
            }
        }
        return new LmHeadCall(512, hidden, x, rounded(w), drawn.targets(), drawn.dLogProb(), LogitTransform.NONE);
    }

    private static double[] rounded(double[] values) {
        return Arrays.stream(values)
                .map(value -> Bfloat16.rounded((float) value))
                .toArray();
    }
}
