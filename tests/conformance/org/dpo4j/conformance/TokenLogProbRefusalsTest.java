package org.dpo4j.conformance;

import static org.assertj.core.api.Assertions.assertThat;

import org.dpo4j.conformance.Refusals.Arguments;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.TokenLogProb;
import org.dpo4j.kernels.internal.Native;
import org.dpo4j.kernels.internal.Status;
import org.dpo4j.testkit.Draw;
import org.junit.jupiter.api.Tag;

/**
 * Calls the C interface directly with bad values of every argument, because the Java call cannot pass a dtype that does
 * not exist.
 */
class TokenLogProbRefusalsTest {
    private static final int ROWS = 2;
    private static final int VOCABULARY = 8;
    private static final int STRIDE = 16;
    private static final int GRADIENT_STRIDE = 24;
    private static final int NULL_CONTEXT = 4;
    private static final long TOO_MANY = 1L << 31;

    private static final String LOGITS =
            " *logits *row_index vocabulary logits_stride {transform *bias %scale %cap } #dtype *targets";
    private static final String RESULTS = "*logprob *lse *statistics";
    private static final String GRADIENT = "*d_logits d_logits_stride #d_logits_dtype";

    private static void forward(Device device, Arguments a) {
        long params = a.struct("dpo4j_token_logprob_forward_params", RESULTS + LOGITS + " rows");
        Status.check(device.context(), Native.dpo4j_token_logprob_forward(device.context(), params));
    }

    private static void backward(Device device, Arguments a) {
        long params = a.struct("dpo4j_token_logprob_backward_params", GRADIENT + LOGITS + " *lse *d_logprob rows");
        Status.check(device.context(), Native.dpo4j_token_logprob_backward(device.context(), params));
    }

    private static void forwardBackward(Device device, Arguments a) {
        long params = a.struct(
                "dpo4j_token_logprob_forward_backward_params", GRADIENT + " " + RESULTS + LOGITS + " *d_logprob rows");
        Status.check(device.context(), Native.dpo4j_token_logprob_forward_backward(device.context(), params));
    }

    /** Arguments that all three operations read. */
    private static Refusals of(Tensors tensors, On on, String operation) {
        Tensor logits =
                tensors.input("logits", on.dtype(), ROWS, VOCABULARY, STRIDE, new Draw(4).normal(ROWS * VOCABULARY, 1));
        return new Refusals(tensors, operation)
                .address("logits", logits)
                .indices("targets", tensors.input("targets", 1, 7))
                .indicesOrNull("row_index", tensors.input("row_index", 1, 0))
                .addressOrNull("bias", tensors.vector("bias", DType.F32, new Draw(5).normal(VOCABULARY, 1)))
                .number("scale", 0.5f, 0, -1, Float.NaN, Float.POSITIVE_INFINITY)
                .number("cap", 30, -30, 1e-38f, 1e31f, Float.NaN, Float.POSITIVE_INFINITY)
                .size("rows", ROWS, -1, TOO_MANY)
                .size("vocabulary", VOCABULARY, 0, -1, TOO_MANY)
                .size("logits_stride", STRIDE, 0, -16, 7, 17, TOO_MANY)
                .size("dtype", on.dtype().code(), -1, 3, 99);
    }

    private static Refusals results(Tensors tensors, Refusals refusals) {
        return refusals.indices("logprob", tensors.output("logprob", DType.F32, 1, ROWS))
                .indices("lse", tensors.output("lse", DType.F32, 1, ROWS))
                .addressOrNull("statistics", tensors.output("statistics", DType.F32, ROWS, TokenLogProb.STATISTICS));
    }

    private static Refusals gradient(Tensors tensors, On on, Refusals refusals) {
        return refusals.address("d_logits", tensors.output("d_logits", on.dtype(), ROWS, VOCABULARY, GRADIENT_STRIDE))
                .size("d_logits_stride", GRADIENT_STRIDE, 0, -24, 7, 17, TOO_MANY)
                .size("d_logits_dtype", on.dtype().code(), -1, 3, 99);
    }

    @OnEachLogitsType
    @Tag("small")
    void forwardRefusesBadArguments(On on) {
        try (Tensors tensors = new Tensors(on)) {
            results(tensors, of(tensors, on, "token_logprob_forward")).check(TokenLogProbRefusalsTest::forward);
        }
    }

    @OnEachLogitsType
    @Tag("small")
    void backwardRefusesBadArguments(On on) {
        try (Tensors tensors = new Tensors(on)) {
            gradient(tensors, on, of(tensors, on, "token_logprob_backward"))
                    .indices("lse", tensors.vector("lse", DType.F32, 3, 3))
                    .indices("d_logprob", tensors.vector("d_logprob", DType.F32, 1, 1))
                    .check(TokenLogProbRefusalsTest::backward);
        }
    }

    @OnEachLogitsType
    @Tag("small")
    void forwardBackwardRefusesBadArguments(On on) {
        try (Tensors tensors = new Tensors(on)) {
            gradient(tensors, on, results(tensors, of(tensors, on, "token_logprob_forward_backward")))
                    .indicesOrNull("d_logprob", tensors.vector("d_logprob", DType.F32, 1, 1))
                    .check(TokenLogProbRefusalsTest::forwardBackward);
        }
    }

    /**
     * A gradient in place must have the type and the stride of the logits; anything else is a mistake of the caller.
     */
    @OnEachLogitsType
    @Tag("small")
    void refusesAGradientInPlaceOfAnotherLayout(On on) {
        int widest = GRADIENT_STRIDE * 2;
        for (DType dtype : DType.values()) {
            for (int stride : new int[] {STRIDE, GRADIENT_STRIDE}) {
                if (dtype == on.dtype() && stride == STRIDE) {
                    continue;
                }
                try (Tensors tensors = new Tensors(on)) {
                    Tensor logits = tensors.updated("logits", on.dtype(), 1, widest, new Draw(4).normal(widest, 1));
                    Tensor targets = tensors.input("targets", 1, 7);
                    Tensor words = tensors.vector("lse", DType.F32, 3, 3, 3, 3);
                    TokenLogProb.Logits inPlace =
                            new TokenLogProb.Logits(logits.address(), VOCABULARY, STRIDE, on.dtype());
                    TokenLogProb.LogitsGradient to = new TokenLogProb.LogitsGradient(logits.address(), stride, dtype);
                    long lse = words.address();
                    tensors.refused(
                            "token_logprob_backward",
                            "d_logits",
                            device -> TokenLogProb.backward(device, to, inPlace, targets.address(), lse, lse, ROWS));
                    tensors.refused(
                            "token_logprob_forward_backward",
                            "d_logits",
                            device -> TokenLogProb.forwardBackward(
                                    device,
                                    to,
                                    new TokenLogProb.TokenResults(lse, lse),
                                    inPlace,
                                    targets.address(),
                                    TokenLogProb.UNIT_GRADIENT,
                                    ROWS));
                }
            }
        }
    }

    /** A call with 0 rows reads no memory, so its addresses are not checked. Its sizes are. */
    @OnEachLogitsType
    @Tag("small")
    void noRowsNeedNoAddresses(On on) {
        try (Tensors tensors = new Tensors(on)) {
            TokenLogProb.Logits logits = new TokenLogProb.Logits(0, VOCABULARY, STRIDE, on.dtype());
            TokenLogProb.LogitsGradient dLogits = new TokenLogProb.LogitsGradient(0, GRADIENT_STRIDE, on.dtype());
            TokenLogProb.TokenResults results = new TokenLogProb.TokenResults(0, 0);
            tensors.runEmpty(device -> {
                TokenLogProb.forward(device, results, logits, 0, 0);
                TokenLogProb.backward(device, dLogits, logits, 0, 0, 0, 0);
                TokenLogProb.forwardBackward(device, dLogits, results, logits, 0, 0, 0);
            });
            TokenLogProb.Logits narrow = new TokenLogProb.Logits(0, VOCABULARY, 4, on.dtype());
            tensors.refused(
                    "token_logprob_forward",
                    "logits_stride",
                    device -> TokenLogProb.forward(device, results, narrow, 0, 0));
        }
    }

    @OnEachDevice
    @Tag("small")
    void aNullContextIsReportedByTheStatus(On on) {
        assertThat(on.device().context()).isNotZero(); // the library is loaded
        assertThat(Native.dpo4j_token_logprob_forward(0, 0)).isEqualTo(NULL_CONTEXT);
        assertThat(Native.dpo4j_token_logprob_backward(0, 0)).isEqualTo(NULL_CONTEXT);
        assertThat(Native.dpo4j_token_logprob_forward_backward(0, 0)).isEqualTo(NULL_CONTEXT);
    }
}
