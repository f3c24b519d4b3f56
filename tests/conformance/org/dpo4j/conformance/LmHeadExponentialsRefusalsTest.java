package org.dpo4j.conformance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.dpo4j.conformance.Refusals.Arguments;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.kernels.TokenLogProb.TokenResults;
import org.dpo4j.kernels.head.LmHeadExponentials;
import org.dpo4j.kernels.head.LmHeadExponentials.Exponentials;
import org.dpo4j.kernels.head.LmHeadForward.Head;
import org.dpo4j.kernels.head.LmHeadForward.HiddenRows;
import org.dpo4j.kernels.internal.Native;
import org.dpo4j.kernels.internal.Status;
import org.dpo4j.testkit.Draw;
import org.junit.jupiter.api.Tag;

/** Calls the C interface directly with bad values of every argument. */
class LmHeadExponentialsRefusalsTest {
    private static final int ROWS = 2;
    private static final int VOCABULARY = 24;
    private static final int WIDTH = 12;
    private static final int STRIDE = 16;
    private static final int NULL_CONTEXT = 4;
    private static final long TOO_MANY = 1L << 31;

    private static void forward(Device device, Arguments a) {
        long params = a.struct(
                "dpo4j_lm_head_exponentials_params",
                "*logprob *lse *factors *exponentials exponentials_stride *workspace *hidden hidden_stride *targets rows"
                        + " *weight weight_stride vocabulary hidden_width %scale #dtype");
        Status.check(device.context(), Native.dpo4j_lm_head_exponentials(device.context(), params));
    }

    @OnEachDevice
    @Tag("small")
    void refusesBadArguments(On on) {
        if (!LmHeadExponentials.lacks(on.device(), DType.BF16).isEmpty()) {
            return; // every call is refused
        }
        Draw draw = new Draw(4);
        try (Tensors tensors = new Tensors(on)) {
            Tensor hidden = tensors.input("hidden", DType.BF16, ROWS, WIDTH, STRIDE, draw.normal(ROWS * WIDTH, 1));
            Tensor weight =
                    tensors.input("weight", DType.BF16, VOCABULARY, WIDTH, STRIDE, draw.normal(VOCABULARY * WIDTH, 1));
            new Refusals(tensors, "lm_head_exponentials")
                    .indices("logprob", tensors.output("logprob", DType.F32, 1, ROWS))
                    .indices("lse", tensors.output("lse", DType.F32, 1, ROWS))
                    .indices("factors", tensors.output("factors", DType.F32, 1, ROWS))
                    .address("exponentials", tensors.output("exponentials", DType.BF16, ROWS, VOCABULARY))
                    .address("workspace", tensors.workspace(LmHeadExponentials.workspaceBytes(ROWS, VOCABULARY)))
                    .address("hidden", hidden)
                    .address("weight", weight)
                    .indices("targets", tensors.input("targets", 1, 7))
                    .size("rows", ROWS, -1, TOO_MANY)
                    .size("vocabulary", VOCABULARY, 0, -1, TOO_MANY)
                    .size("hidden_width", WIDTH, 0, -1, TOO_MANY)
                    .size("exponentials_stride", VOCABULARY, 0, -16, 8, 25, TOO_MANY)
                    .size("hidden_stride", STRIDE, 0, -16, 8, 17, TOO_MANY)
                    .size("weight_stride", STRIDE, 0, -16, 8, 17, TOO_MANY)
                    .number("scale", 2, 0, -1, Float.NaN, Float.POSITIVE_INFINITY)
                    .size("dtype", DType.BF16.code(), DType.F32.code(), DType.F16.code(), -1, 3)
                    .check(LmHeadExponentialsRefusalsTest::forward);
        }
    }

    /** A call with 0 rows reads no memory, so its addresses are not checked. Its sizes are. */
    @OnEachDevice
    @Tag("small")
    void noRowsNeedNoAddresses(On on) {
        HiddenRows rows = new HiddenRows(0, STRIDE, 0, 0);
        Head head = Head.contiguous(0, VOCABULARY, STRIDE, DType.BF16);
        ThrowingCallable call = () -> LmHeadExponentials.forward(
                on.device(), new TokenResults(0, 0), new Exponentials(0, VOCABULARY, 0), 0, rows, head);
        if (LmHeadExponentials.lacks(on.device(), DType.BF16).isEmpty()) {
            assertThatCode(call).doesNotThrowAnyException();
        } else {
            assertThatThrownBy(call)
                    .isInstanceOf(Dpo4jException.class)
                    .hasMessageContaining("token_logprob_forward_backward");
        }
        assertThat(LmHeadExponentials.workspaceBytes(0, 9)).isZero();
        assertThat(LmHeadExponentials.workspaceBytes(9, -1)).isZero();
    }

    @OnEachDevice
    @Tag("small")
    void aNullContextIsReportedByTheStatus(On on) {
        assertThat(on.device().context()).isNotZero(); // the library is loaded
        assertThat(Native.dpo4j_lm_head_exponentials(0, 0)).isEqualTo(NULL_CONTEXT);
        assertThat(Native.dpo4j_lm_head_exponentials_lacks(0, 1)).isEqualTo("there is no context");
    }
}
