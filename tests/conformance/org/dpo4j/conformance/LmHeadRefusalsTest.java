package org.dpo4j.conformance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.dpo4j.conformance.Refusals.Arguments;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.kernels.TokenLogProb;
import org.dpo4j.kernels.TokenLogProb.TokenResults;
import org.dpo4j.kernels.head.LmHeadExponentials;
import org.dpo4j.kernels.head.LmHeadExponentials.Exponentials;
import org.dpo4j.kernels.head.LmHeadForward;
import org.dpo4j.kernels.head.LmHeadForward.Head;
import org.dpo4j.kernels.head.LmHeadForward.HiddenRows;
import org.dpo4j.kernels.internal.Native;
import org.dpo4j.kernels.internal.Status;
import org.dpo4j.testkit.Draw;
import org.junit.jupiter.api.Tag;

/** Calls the C interface of lm_head_forward and lm_head_exponentials directly with bad values of every argument. */
class LmHeadRefusalsTest {
    private static final int ROWS = 2;
    private static final int VOCABULARY = 24;
    private static final int WIDTH = 12;
    private static final int STRIDE = 16;
    private static final int NULL_CONTEXT = 4;
    private static final long TOO_MANY = 1L << 31;
    private static final String HEAD =
            " *workspace *hidden hidden_stride *targets rows *weight weight_stride vocabulary"
                    + " hidden_width {transform *bias %scale %cap } #dtype";

    private static void forward(Device device, Arguments a) {
        long params = a.struct("dpo4j_lm_head_forward_params", "*logprob *lse *statistics" + HEAD);
        Status.check(device.context(), Native.dpo4j_lm_head_forward(device.context(), params));
    }

    private static void exponentials(Device device, Arguments a) {
        long params = a.struct(
                "dpo4j_lm_head_exponentials_params",
                "*logprob *lse *statistics *factors *exponentials exponentials_stride" + HEAD);
        Status.check(device.context(), Native.dpo4j_lm_head_exponentials(device.context(), params));
    }

    @OnEachDevice
    @Tag("small")
    void refusesBadArguments(On on) {
        if (!LmHeadForward.isSupported(on.device(), DType.BF16)) {
            return; // every call is refused
        }
        try (Tensors tensors = new Tensors(on)) {
            head("lm_head_forward", tensors, LmHeadForward.workspaceBytes(ROWS, VOCABULARY))
                    .check(LmHeadRefusalsTest::forward);
        }
        try (Tensors tensors = new Tensors(on)) {
            head("lm_head_exponentials", tensors, LmHeadExponentials.workspaceBytes(ROWS, VOCABULARY))
                    .indices("factors", tensors.output("factors", DType.F32, 1, ROWS))
                    .address("exponentials", tensors.output("exponentials", DType.BF16, ROWS, VOCABULARY))
                    .size("exponentials_stride", VOCABULARY, 0, -16, 8, 25, TOO_MANY)
                    .check(LmHeadRefusalsTest::exponentials);
        }
    }

    /** The arguments of both. */
    private static Refusals head(String operation, Tensors tensors, long workspaceBytes) {
        Draw draw = new Draw(4);
        return new Refusals(tensors, operation)
                .indices("logprob", tensors.output("logprob", DType.F32, 1, ROWS))
                .indices("lse", tensors.output("lse", DType.F32, 1, ROWS))
                .addressOrNull("statistics", tensors.output("statistics", DType.F32, ROWS, TokenLogProb.STATISTICS))
                .address("workspace", tensors.workspace(workspaceBytes))
                .address(
                        "hidden",
                        tensors.input("hidden", DType.BF16, ROWS, WIDTH, STRIDE, draw.normal(ROWS * WIDTH, 1)))
                .address(
                        "weight",
                        tensors.input(
                                "weight", DType.BF16, VOCABULARY, WIDTH, STRIDE, draw.normal(VOCABULARY * WIDTH, 1)))
                .addressOrNull("bias", tensors.vector("bias", DType.F32, draw.normal(VOCABULARY, 1)))
                .indices("targets", tensors.input("targets", 1, 7))
                .size("rows", ROWS, -1, TOO_MANY)
                .size("vocabulary", VOCABULARY, 0, -1, TOO_MANY)
                .size("hidden_width", WIDTH, 0, -1, TOO_MANY)
                .size("hidden_stride", STRIDE, 0, -16, 8, 17, TOO_MANY)
                .size("weight_stride", STRIDE, 0, -16, 8, 17, TOO_MANY)
                .number("scale", 2, 0, -1, Float.NaN, Float.POSITIVE_INFINITY)
                .number("cap", 30, -1, 1e-31f, 1e31f, Float.NaN, Float.POSITIVE_INFINITY)
                .size("dtype", DType.BF16.code(), DType.F32.code(), DType.F16.code(), -1, 3);
    }

    /** A call with 0 rows reads no memory, so its addresses are not checked. Its sizes are. */
    @OnEachDevice
    @Tag("small")
    void noRowsNeedNoAddresses(On on) {
        TokenResults results = new TokenResults(0, 0);
        HiddenRows rows = new HiddenRows(0, STRIDE, 0, 0);
        Head head = Head.contiguous(0, VOCABULARY, STRIDE, DType.BF16);
        noRows(on, () -> LmHeadForward.forward(on.device(), results, 0, rows, head), "token_logprob_forward");
        Exponentials to = new Exponentials(0, VOCABULARY, 0);
        noRows(
                on,
                () -> LmHeadExponentials.forward(on.device(), results, to, 0, rows, head),
                "token_logprob_forward_backward");
        assertThat(LmHeadForward.workspaceBytes(0, 9)).isZero();
        assertThat(LmHeadForward.workspaceBytes(9, -1)).isZero();
        assertThat(LmHeadExponentials.workspaceBytes(0, 9)).isZero();
        assertThat(LmHeadExponentials.workspaceBytes(9, -1)).isZero();
    }

    private static void noRows(On on, ThrowingCallable call, String instead) {
        if (LmHeadForward.isSupported(on.device(), DType.BF16)) {
            assertThatCode(call).doesNotThrowAnyException();
        } else {
            assertThatThrownBy(call).isInstanceOf(Dpo4jException.class).hasMessageContaining(instead);
        }
    }

    @OnEachDevice
    @Tag("small")
    void aNullContextIsReportedByTheStatus(On on) {
        assertThat(on.device().context()).isNotZero(); // the library is loaded
        assertThat(Native.dpo4j_lm_head_forward(0, 0)).isEqualTo(NULL_CONTEXT);
        assertThat(Native.dpo4j_lm_head_exponentials(0, 0)).isEqualTo(NULL_CONTEXT);
        assertThat(Native.dpo4j_lm_head_forward_lacks(0, 1)).isEqualTo("there is no context");
        assertThat(Native.dpo4j_lm_head_exponentials_lacks(0, 1)).isEqualTo("there is no context");
    }
}
