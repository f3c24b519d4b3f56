package org.dpo4j.conformance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.decoder.Attention;
import org.dpo4j.kernels.internal.CudaSettings;
import org.dpo4j.kernels.internal.Native;
import org.junit.jupiter.api.Tag;

/** The workspace of attention backward on cuda. */
class AttentionWorkspaceTest {
    private static final String KERNEL = "attention_backward_sm90a";

    private static long bytes(Device device, int rows, AttentionCall shape) {
        return Attention.backwardWorkspaceBytes(device, rows, shape.with(DType.BF16));
    }

    /** One fp32 number for each element of d_q. */
    private static double sums(int rows, AttentionCall shape) {
        return 4.0 * rows * shape.width();
    }

    /**
     * The sums on Hopper: those of the key heads that together have 400 tiles of 128 keys, and an eighth more. All else
     * is 12 bytes for a row of a head, 12 for a row, and at most 67 KiB.
     */
    @OnEachCudaDevice
    @Tag("device")
    void sumsOfTheHeadsInFlight(On on) {
        try (Device device = TestDevices.open(on, new CudaSettings("", 0))) {
            assumeTrue(Native.dpo4j_cuda_has_kernel(device.context(), KERNEL) == 1, on + " has no " + KERNEL);
            AttentionCall llama8b = new AttentionCall(32, 8, 128);
            isNear(bytes(device, 8192, llama8b), 1, 8192, llama8b);
            isNear(bytes(device, 16384, llama8b), 1.125 * 4 / 8, 16384, llama8b);
            isNear(bytes(device, 32768, llama8b), 1.125 * 2 / 8, 32768, llama8b);
            AttentionCall qwen05b = new AttentionCall(14, 2, 64);
            isNear(bytes(device, 32768, qwen05b), 1, 32768, qwen05b);
            isNear(bytes(device, 65536, qwen05b), 1.125 * 1 / 2, 65536, qwen05b);
        }
    }

    private static void isNear(long bytes, double share, int rows, AttentionCall shape) {
        double exact = share * sums(rows, shape) + 12.0 * rows * (shape.heads() + 1);
        assertThat((double) bytes).as("bytes of %d rows of %s", rows, shape).isBetween(exact, exact + (67 << 10));
    }

    /** Other kernels need delta: one number for a row of a head. */
    @OnEachCudaDevice
    @Tag("device")
    void deltaWithoutTheHopperKernel(On on) {
        try (Device device = TestDevices.open(on, new CudaSettings(KERNEL, 0))) {
            AttentionCall shape = new AttentionCall(32, 8, 128);
            assertThat(bytes(device, 1000, shape)).isEqualTo(4L * 1000 * 32);
            assertThat(bytes(device, 0, shape)).as("no rows").isZero();
        }
    }
}
