package org.dpo4j.conformance;

import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.LossType;
import org.dpo4j.kernels.PreferenceLoss;
import org.dpo4j.kernels.PreferenceLoss.PairLogProbs;
import org.dpo4j.kernels.PreferenceLoss.Scale;
import org.dpo4j.kernels.PreferenceOptions;
import org.dpo4j.kernels.SequenceSum;
import org.dpo4j.kernels.SequenceSum.Sequences;
import org.dpo4j.kernels.TokenLogProb;
import org.dpo4j.kernels.TokenLogProb.Logits;
import org.dpo4j.kernels.TokenLogProb.LogitsGradient;
import org.dpo4j.testkit.Draw;
import org.junit.jupiter.api.Tag;

/**
 * Log-probs, sums, losses and gradients of a batch of pairs have the same bits computed at once and in parts. Parts
 * begin at a pair, and so not at a multiple of 16 bytes.
 */
class PartOfABatchTest {
    private static final int[] OFFSETS = {0, 1, 3, 6, 7, 12, 14};
    private static final int TOKENS = 14;
    private static final int COMPLETIONS = 6;
    private static final int VOCABULARY = 40;
    private static final PreferenceOptions OPTIONS = PreferenceOptions.forLoss(LossType.SIGMOID);

    /** The tensors of one computation of the batch. */
    private record Batch(
            Tensor logits,
            Tensor targets,
            Tensor offsets,
            Tensor reference,
            Tensor dLogits,
            Tensor logprob,
            Tensor lse,
            Tensor statistics,
            Tensor sums,
            Tensor losses,
            Tensor dSums,
            Tensor dLogprob) {

        static Batch of(Tensors tensors) {
            Draw draw = new Draw(8);
            return new Batch(
                    tensors.input("logits", DType.F32, TOKENS, VOCABULARY, draw.normal(TOKENS * VOCABULARY, 3)),
                    tensors.input("targets", draw.indices(VOCABULARY, TOKENS)),
                    tensors.input("offsets", OFFSETS),
                    tensors.vector("reference", DType.F32, draw.uniform(COMPLETIONS, -30, -5)),
                    tensors.output("d_logits", DType.F32, TOKENS, VOCABULARY),
                    tensors.output("logprob", DType.F32, 1, TOKENS),
                    tensors.output("lse", DType.F32, 1, TOKENS),
                    tensors.output("statistics", DType.F32, TOKENS, TokenLogProb.STATISTICS),
                    tensors.output("sums", DType.F32, 1, COMPLETIONS),
                    tensors.output("losses", DType.F32, 1, COMPLETIONS / 2),
                    tensors.output("d_sums", DType.F32, 1, COMPLETIONS),
                    tensors.output("d_logprob", DType.F32, 1, TOKENS));
        }

        /** Completions {@code [first, end)}. */
        void run(Device device, int first, int end) {
            int begin = OFFSETS[first];
            int tokens = OFFSETS[end] - begin;
            long row = 4L * VOCABULARY * begin;
            Sequences sequences = new Sequences(word(offsets, first), end - first, 1, 0.5f, false);
            TokenLogProb.forwardBackward(
                    device,
                    new LogitsGradient(dLogits.address() + row, VOCABULARY, DType.F32),
                    new TokenLogProb.TokenResults(
                            word(logprob, begin), word(lse, begin), word(statistics, TokenLogProb.STATISTICS * begin)),
                    new Logits(logits.address() + row, VOCABULARY, VOCABULARY, DType.F32),
                    word(targets, begin),
                    0,
                    tokens);
            SequenceSum.forward(device, word(sums, first), logprob.address(), sequences);
            PreferenceLoss.compute(
                    device,
                    new PreferenceLoss.PairResults(word(losses, first / 2), word(dSums, first)),
                    new PairLogProbs(word(sums, first), word(reference, first)),
                    (end - first) / 2,
                    PreferenceLoss.NO_WORKSPACE,
                    new Scale(0.5f),
                    OPTIONS);
            SequenceSum.backward(device, dLogprob.address(), word(dSums, first), sequences);
        }

        private static long word(Tensor tensor, int index) {
            return tensor.address() + (long) Float.BYTES * index;
        }

        void sameAs(Batch other) {
            Expect.sameBits("d_logits", dLogits.bits(), other.dLogits.bits());
            Expect.sameBits("logprob", logprob.bits(), other.logprob.bits());
            Expect.sameBits("lse", lse.bits(), other.lse.bits());
            Expect.sameBits("statistics", statistics.bits(), other.statistics.bits());
            Expect.sameBits("sums", sums.bits(), other.sums.bits());
            Expect.sameBits("losses", losses.bits(), other.losses.bits());
            Expect.sameBits("d_sums", dSums.bits(), other.dSums.bits());
            Expect.sameBits("d_logprob", dLogprob.bits(), other.dLogprob.bits());
        }
    }

    @OnEachDevice
    @Tag("small")
    void hasTheBitsOfTheWholeBatch(On on) {
        try (Tensors tensors = new Tensors(on)) {
            Batch whole = Batch.of(tensors);
            Batch inParts = Batch.of(tensors);
            tensors.run(device -> {
                whole.run(device, 0, COMPLETIONS);
                inParts.run(device, 0, 2);
                inParts.run(device, 2, 4);
                inParts.run(device, 4, 6);
            });
            inParts.sameAs(whole);
        }
    }
}
