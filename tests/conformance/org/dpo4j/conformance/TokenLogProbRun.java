package org.dpo4j.conformance;

import java.util.Arrays;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.TokenLogProb;
import org.dpo4j.kernels.TokenLogProb.Logits;
import org.dpo4j.kernels.TokenLogProb.LogitsGradient;
import org.dpo4j.kernels.TokenLogProb.TokenResults;
import org.dpo4j.testkit.Storage;
import org.jspecify.annotations.Nullable;

/**
 * Runs calls of token_logprob.
 *
 * @param logitsType storage of the logits
 * @param gradientType storage of their gradient
 * @param statistics whether statistics are computed
 */
record TokenLogProbRun(On on, DType logitsType, DType gradientType, boolean statistics) {

    /** Elements by which the gradient's stride is larger than that of the logits; rows stay aligned to 16 bytes. */
    private static final int WIDER = 16;

    /** Logits and gradient of the device's type, with statistics. */
    TokenLogProbRun(On on) {
        this(on, on.dtype(), on.dtype(), true);
    }

    TokenLogProbRun withGradients(DType dtype) {
        return new TokenLogProbRun(on, logitsType, dtype, statistics);
    }

    TokenLogProbRun withoutStatistics() {
        return new TokenLogProbRun(on, logitsType, gradientType, false);
    }

    /** Results of a run, and its inputs as stored. Results that the run does not compute are empty. */
    record Left(
            int rows,
            int logitsRows,
            double[] logits,
            double[] dLogProb,
            double[] logprob,
            double[] lse,
            double[] statistics,
            double[] dLogits,
            Bits bits) {

        /** One row of {@link #logits} or {@link #dLogits}. */
        double[] logitsRow(double[] all, int row) {
            int width = all.length / logitsRows;
            return Arrays.copyOfRange(all, row * width, (row + 1) * width);
        }

        double[] statisticsRow(int row) {
            return Arrays.copyOfRange(statistics, row * TokenLogProb.STATISTICS, (row + 1) * TokenLogProb.STATISTICS);
        }
    }

    /** Bits of the results, for exact comparisons. */
    record Bits(long[] logprob, long[] lse, long[] statistics, long[] dLogits) {

        /** Fails unless row {@code row} of a call has the bits of row {@code ofOther} of another call. */
        void sameRow(String what, TokenLogProbCall call, int row, Bits other, TokenLogProbCall otherCall, int ofOther) {
            same(what + " logprob", logprob, 1, row, other.logprob, ofOther);
            same(what + " lse", lse, 1, row, other.lse, ofOther);
            same(what + " statistics", statistics, TokenLogProb.STATISTICS, row, other.statistics, ofOther);
            int at = call.logitsRow(row);
            same(what + " d_logits", dLogits, call.vocabulary(), at, other.dLogits, otherCall.logitsRow(ofOther));
        }

        private static void same(String what, long[] bits, int width, int row, long[] others, int ofOther) {
            if (bits.length > 0 && others.length > 0) {
                Expect.sameBits(
                        what + ", row " + row,
                        Arrays.copyOfRange(bits, row * width, (row + 1) * width),
                        Arrays.copyOfRange(others, ofOther * width, (ofOther + 1) * width));
            }
        }
    }

    /** The tensors that a call reads. */
    private static final class Inputs {
        private final TokenLogProbCall call;
        private final DType dtype;
        private final Tensor logits;
        private final Tensor targets;
        private final @Nullable Tensor rowIndex;
        private final @Nullable Tensor dLogProb;
        private final @Nullable Tensor bias;

        Inputs(Tensors tensors, TokenLogProbCall call, DType dtype) {
            this.call = call;
            this.dtype = dtype;
            logits = tensors.input(
                    "logits", dtype, call.logitsRows(), call.vocabulary(), call.stride(dtype), call.logits());
            targets = tensors.input("targets", call.targets());
            rowIndex = call.rowIndex() == null ? null : tensors.input("row_index", call.rowIndex());
            dLogProb = call.dLogProb() == null ? null : tensors.vector("d_logprob", DType.F32, call.dLogProb());
            double[] ofColumns = call.transform().bias();
            bias = ofColumns == null ? null : tensors.vector("bias", DType.F32, ofColumns);
        }

        Logits in(Tensor tensor) {
            return new Logits(
                    tensor.address(),
                    address(rowIndex),
                    call.vocabulary(),
                    call.stride(dtype),
                    dtype,
                    call.transform().on(address(bias)));
        }

        /** A copy of the logits for a gradient in place, which overwrites the rows that the call names. */
        Tensor overwritten(Tensors tensors) {
            return tensors.updated(
                            "logits", dtype, call.logitsRows(), call.vocabulary(), call.stride(dtype), call.logits())
                    .writes(call.named());
        }
    }

    /** The tensors that forward writes. */
    private record Outputs(
            Tensor logprob, Tensor lse, @Nullable Tensor statistics) {
        static Outputs of(Tensors tensors, TokenLogProbCall call, boolean statistics) {
            return new Outputs(
                    tensors.output("logprob", DType.F32, 1, call.rows()),
                    tensors.output("lse", DType.F32, 1, call.rows()),
                    statistics ? tensors.output("statistics", DType.F32, call.rows(), TokenLogProb.STATISTICS) : null);
        }

        TokenResults results() {
            return new TokenResults(logprob.address(), lse.address(), address(statistics));
        }

        Left left(Inputs inputs, @Nullable Tensor dLogits) {
            return new Left(
                    inputs.call.rows(),
                    inputs.call.logitsRows(),
                    inputs.logits.values(),
                    values(inputs.dLogProb),
                    logprob.values(),
                    lse.values(),
                    values(statistics),
                    values(dLogits),
                    new Bits(logprob.bits(), lse.bits(), bits(statistics), bits(dLogits)));
        }
    }

    private static long address(@Nullable Tensor tensor) {
        return tensor == null ? 0 : tensor.address();
    }

    private static double[] values(@Nullable Tensor tensor) {
        return tensor == null ? new double[0] : tensor.values();
    }

    private static long[] bits(@Nullable Tensor tensor) {
        return tensor == null ? new long[0] : tensor.bits();
    }

    private Tensor gradient(Tensors tensors, TokenLogProbCall call) {
        int stride = call.stride(gradientType) + WIDER;
        return tensors.output("d_logits", gradientType, call.logitsRows(), call.vocabulary(), stride)
                .writes(call.named());
    }

    private LogitsGradient to(Tensor dLogits) {
        return new LogitsGradient(dLogits.address(), dLogits.stride, gradientType);
    }

    /** Forward only. */
    Left forward(TokenLogProbCall call) {
        try (Tensors tensors = new Tensors(on)) {
            Inputs inputs = new Inputs(tensors, call, logitsType);
            Outputs outputs = Outputs.of(tensors, call, statistics);
            tensors.run(device -> TokenLogProb.forward(
                    device, outputs.results(), inputs.in(inputs.logits), inputs.targets.address(), call.rows()));
            return outputs.left(inputs, null);
        }
    }

    /**
     * Forward, then backward from its lse. Backward writes to another tensor with another stride and, if the types are
     * equal, also in place. Fails unless both have the same bits.
     */
    Left inTwoCalls(TokenLogProbCall call) {
        try (Tensors tensors = new Tensors(on)) {
            Inputs inputs = new Inputs(tensors, call, logitsType);
            Outputs outputs = Outputs.of(tensors, call, statistics);
            Tensor dLogits = gradient(tensors, call);
            Tensor inPlace = inputs.overwritten(tensors);
            tensors.run(device -> {
                Logits logits = inputs.in(inputs.logits);
                TokenLogProb.forward(device, outputs.results(), logits, inputs.targets.address(), call.rows());
                backward(device, inputs, outputs, to(dLogits), logits);
                if (gradientType == logitsType) {
                    Logits overwritten = inputs.in(inPlace);
                    backward(device, inputs, outputs, LogitsGradient.inPlace(overwritten), overwritten);
                }
            });
            return outputs.left(inputs, sameInPlace(call, dLogits, inPlace));
        }
    }

    private static void backward(Device device, Inputs inputs, Outputs outputs, LogitsGradient dLogits, Logits logits) {
        TokenLogProb.backward(
                device,
                dLogits,
                logits,
                inputs.targets.address(),
                outputs.lse.address(),
                address(inputs.dLogProb),
                inputs.call.rows());
    }

    /**
     * Forward and backward in one call. The gradient is written to another tensor with another stride and, if the types
     * are equal, also in place. Fails unless both have the same bits.
     */
    Left inOneCall(TokenLogProbCall call) {
        try (Tensors tensors = new Tensors(on)) {
            Inputs inputs = new Inputs(tensors, call, logitsType);
            Outputs outputs = Outputs.of(tensors, call, statistics);
            boolean alike = gradientType == logitsType;
            Outputs ofInPlace = alike ? Outputs.of(tensors, call, statistics) : outputs;
            Tensor dLogits = gradient(tensors, call);
            Tensor inPlace = inputs.overwritten(tensors);
            tensors.run(device -> {
                forwardBackward(device, inputs, outputs, to(dLogits), inputs.in(inputs.logits));
                if (alike) {
                    Logits overwritten = inputs.in(inPlace);
                    forwardBackward(device, inputs, ofInPlace, LogitsGradient.inPlace(overwritten), overwritten);
                }
            });
            Left left = outputs.left(inputs, sameInPlace(call, dLogits, inPlace));
            Expect.sameBits("logprob in place", ofInPlace.logprob.bits(), left.bits.logprob);
            Expect.sameBits("lse in place", ofInPlace.lse.bits(), left.bits.lse);
            Expect.sameBits("statistics in place", bits(ofInPlace.statistics), left.bits.statistics);
            return left;
        }
    }

    /**
     * The results of one call whose gradient has 16 bits and overwrites the first halves of the rows of F32 logits. Fails
     * unless the second halves stay.
     */
    Bits narrowedInPlace(TokenLogProbCall call) {
        try (Tensors tensors = new Tensors(on)) {
            Inputs inputs = new Inputs(tensors, call, logitsType);
            Outputs outputs = Outputs.of(tensors, call, statistics);
            Tensor inPlace = inputs.overwritten(tensors);
            Logits logits = inputs.in(inPlace);
            LogitsGradient narrowed = LogitsGradient.narrowedInPlace(logits, gradientType);
            tensors.run(device -> forwardBackward(device, inputs, outputs, narrowed, logits));
            int vocabulary = call.vocabulary();
            long[] gradient = new long[call.logitsRows() * vocabulary];
            for (int row = 0; row < call.logitsRows(); row++) {
                long[] bits = inPlace.rowBits(row, Storage.of(gradientType), vocabulary);
                System.arraycopy(bits, 0, gradient, row * vocabulary, vocabulary);
                Expect.sameBits(
                        "logits after the gradient, row " + row,
                        secondHalf(inPlace.rowBits(row)),
                        secondHalf(inputs.logits.rowBits(row)));
            }
            return new Bits(outputs.logprob.bits(), outputs.lse.bits(), bits(outputs.statistics), gradient);
        }
    }

    private static long[] secondHalf(long[] row) {
        return Arrays.copyOfRange(row, (row.length + 1) / 2, row.length);
    }

    private static void forwardBackward(
            Device device, Inputs inputs, Outputs outputs, LogitsGradient dLogits, Logits logits) {
        TokenLogProb.forwardBackward(
                device,
                dLogits,
                outputs.results(),
                logits,
                inputs.targets.address(),
                address(inputs.dLogProb),
                inputs.call.rows());
    }

    private Tensor sameInPlace(TokenLogProbCall call, Tensor dLogits, Tensor inPlace) {
        for (int row = 0; gradientType == logitsType && row < call.rows(); row++) {
            int at = call.logitsRow(row);
            Expect.sameBits("d_logits in place, row " + at, inPlace.rowBits(at), dLogits.rowBits(at));
        }
        return dLogits;
    }
}
