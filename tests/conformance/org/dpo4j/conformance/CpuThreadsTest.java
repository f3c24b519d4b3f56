package org.dpo4j.conformance;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.DeviceBuffer;
import org.dpo4j.kernels.Devices;
import org.dpo4j.kernels.decoder.MatrixShape;
import org.dpo4j.kernels.decoder.ScaleRows;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** The threads of a cpu context. ThreadSanitizer checks them in runs of the suite under it. */
class CpuThreadsTest {
    private static final int ROWS = 8;
    /** Large enough that each row is one task. */
    private static final int WIDTH = 16384;

    /** Work wakes threads. A thread may start only after the work is done, while the context is being closed. */
    @Test
    @Tag("small")
    void aDeviceMayBeClosedRightAfterWork() {
        float[] values = new float[ROWS * WIDTH];
        float[] scale = new float[ROWS];
        float[] expected = new float[ROWS * WIDTH];
        Arrays.fill(values, 3);
        Arrays.fill(scale, 0.5f);
        Arrays.fill(expected, 1.5f);
        for (int i = 0; i < 200; i++) {
            try (Device device = Devices.cpu(3);
                    DeviceBuffer rows = device.allocate(4L * values.length);
                    DeviceBuffer factors = device.allocate(4L * ROWS)) {
                device.upload(rows.address(), values);
                device.upload(factors.address(), scale);
                ScaleRows.forward(
                        device,
                        rows.address(),
                        rows.address(),
                        factors.address(),
                        new MatrixShape(ROWS, WIDTH, DType.F32));
                assertThat(device.downloadFloats(rows.address(), values.length)).isEqualTo(expected);
            }
        }
    }
}
