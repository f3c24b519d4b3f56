package org.dpo4j.conformance;

import static org.assertj.core.api.Assertions.assertThat;

import org.dpo4j.conformance.TokenLogProbRun.Bits;
import org.dpo4j.conformance.TokenLogProbRun.Left;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.TokenLogProb;
import org.dpo4j.kernels.TokenLogProb.Logits;
import org.dpo4j.kernels.TokenLogProb.LogitsGradient;
import org.dpo4j.kernels.TokenLogProb.TokenResults;
import org.junit.jupiter.api.Tag;

/** A gradient of 16 bits that overwrites its own F32 logits has the bits of one that is elsewhere. */
class TokenLogProbNarrowedTest {

    /** More columns than the shared memory of eight blocks holds. */
    private static final int TOO_WIDE = 600_000;

    /** Does nothing on a device that does not hold a row of so many columns. */
    private static void check(On on, TokenLogProbCall call, boolean statistics) {
        if (!TokenLogProb.narrowsInPlace(on.device(), call.vocabulary())) {
            return;
        }
        for (DType dtype : new DType[] {DType.BF16, DType.F16}) {
            TokenLogProbRun run = new TokenLogProbRun(on, DType.F32, dtype, statistics);
            Left expected = run.inTwoCalls(call);
            Bits narrowed = run.narrowedInPlace(call);
            for (int row = 0; row < call.rows(); row++) {
                narrowed.sameRow("%s in place of %s".formatted(dtype, call), call, row, expected.bits(), call, row);
            }
        }
    }

    @OnEachDevice
    @Tag("small")
    void smallVocabularies(On on) {
        TokenLogProbCall ordinary = TokenLogProbCall.random(6, 77, 4);
        check(on, ordinary.withTargets(0, -1, 77, 76, -5, 40), true);
        check(on, TokenLogProbCall.random(2, 1, 4), true);
        check(on, TokenLogProbCall.random(2, 7, 4), true);
        check(on, ordinary.scattered(9, 8, 0, 3, 4, 1, 2), false);
    }

    /**
     * A row in two blocks. The gradient of the second overwrites columns of the first: one target is among these, the
     * others are in the last vector and after it.
     */
    @OnEachDevice
    void twoBlocks(On on) {
        TokenLogProbCall call = TokenLogProbCall.random(3, 18_003, 4);
        check(on, call.withTargets(5_000, 17_998, 18_002), false);
    }

    /** Rows of one block and of eight. */
    @OnEachDevice
    void oneBlockAndEight(On on) {
        for (int vocabulary : new int[] {4099, 66_001}) {
            check(on, TokenLogProbCall.random(2, vocabulary, 4), false);
        }
    }

    /** Statistics, and a transform, have more registers and so fewer teams side by side. */
    @OnEachDevice
    void statisticsAndTransforms(On on) {
        TokenLogProbCall call = TokenLogProbCall.random(2, 18_003, 4);
        check(on, call, true);
        check(on, call.withTransform(LogitTransform.random(18_003, 1, 0.5, 30)), false);
    }

    /** A narrowed gradient needs a row on chip, and forward and backward in one call. */
    @OnEachDevice
    @Tag("small")
    void refusesWhatWouldOverwriteLogitsBeforeTheyAreRead(On on) {
        try (Tensors tensors = new Tensors(on)) {
            Tensor memory = tensors.updated("logits", DType.F32, 1, 8, new double[8]);
            Tensor targets = tensors.input("targets", 1);
            long words = tensors.vector("lse", DType.F32, 3, 3).address();
            Logits small = new Logits(memory.address(), 8, 8, DType.F32);
            LogitsGradient ofSmall = LogitsGradient.narrowedInPlace(small, DType.BF16);
            assertThat(TokenLogProb.narrowsInPlace(on.device(), 8)).isTrue();
            tensors.refused(
                    "token_logprob_backward",
                    "d_logits",
                    device -> TokenLogProb.backward(device, ofSmall, small, targets.address(), words, words, 1));
            Logits wide = new Logits(memory.address(), TOO_WIDE, TOO_WIDE, DType.F32);
            LogitsGradient ofWide = LogitsGradient.narrowedInPlace(wide, DType.BF16);
            assertThat(TokenLogProb.narrowsInPlace(on.device(), TOO_WIDE)).isEqualTo(!on.cuda());
            if (on.cuda()) {
                TokenResults results = new TokenResults(words, words);
                long unit = TokenLogProb.UNIT_GRADIENT;
                tensors.refused(
                        "token_logprob_forward_backward",
                        "d_logits",
                        device -> TokenLogProb.forwardBackward(
                                device, ofWide, results, wide, targets.address(), unit, 1));
            }
        }
    }
}
