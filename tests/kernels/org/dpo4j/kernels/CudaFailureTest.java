package org.dpo4j.kernels;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.charset.StandardCharsets;
import org.dpo4j.conformance.On;
import org.dpo4j.conformance.OnEachCudaDevice;
import org.dpo4j.conformance.StandIn;
import org.dpo4j.kernels.decoder.Residual;
import org.dpo4j.kernels.internal.Native;

/** The messages of the first call and of later calls after an error that ends CUDA in the process. */
class CudaFailureTest {
    private static final int ILLEGAL_ADDRESS = 700;
    private static final int LAUNCH_FAILURE = 719;

    @OnEachCudaDevice
    void theFirstFailureIsNamedAndRestartIsAdvised(On on) {
        assumeTrue(on.name().equals("emulated"), "a GPU cannot be repaired after this test");
        Device device = Devices.cuda(0);
        DeviceBuffer buffer = device.allocate(256);
        long at = buffer.address();
        try {
            StandIn.fail(ILLEGAL_ADDRESS);
            assertThatThrownBy(() -> Residual.forward(device, at, at + 64, at + 128, 16, DType.F32))
                    .isInstanceOf(Dpo4jException.class)
                    .hasMessageContaining("residual_forward")
                    .hasMessageContaining("an illegal memory access was encountered (cudaErrorIllegalAddress)")
                    .hasMessageContaining("restart");
            StandIn.fail(LAUNCH_FAILURE);
            for (Runnable later : new Runnable[] {device::synchronize, buffer::close, device::close}) {
                assertThatThrownBy(later::run)
                        .isInstanceOf(Dpo4jException.class)
                        .hasMessageContaining("restart")
                        .hasMessageContaining("the first failure was: the launch failed: an illegal memory access")
                        .hasMessageNotContaining("unspecified");
            }
            device.close(); // closing succeeds
            assertThatThrownBy(device::context).hasMessageContaining("closed");
        } finally {
            StandIn.fail(0);
        }
        buffer.close();
        assertThatThrownBy(() -> on.device().allocate(Long.MAX_VALUE / 2))
                .as("a failure that ends nothing")
                .hasMessageContaining("cudaErrorMemoryAllocation")
                .satisfies(failure -> assertThat(failure.getMessage()).doesNotContain("restart"));
    }

    /** There is no device 99. The message says so, because the status alone would not. */
    @OnEachCudaDevice
    void anErrorSaysWhyAContextCannotBeMade(On on) {
        assertThat(on.device().context()).isNotZero();
        byte[] text = new byte[512];
        int status = Native.dpo4j_cuda_context_create(new long[1], 99, 0, "", 0, text, text.length);
        assertThat(status).isEqualTo(3);
        assertThat(new String(text, StandardCharsets.UTF_8).trim())
                .contains("invalid device ordinal (cudaErrorInvalidDevice)");
    }
}
