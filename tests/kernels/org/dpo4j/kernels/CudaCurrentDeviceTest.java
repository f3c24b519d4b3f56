package org.dpo4j.kernels;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.bytedeco.cuda.global.cudart.cudaGetDevice;
import static org.bytedeco.cuda.global.cudart.cudaGetDeviceCount;
import static org.bytedeco.cuda.global.cudart.cudaSetDevice;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.ByteBuffer;
import java.util.LinkedHashMap;
import java.util.Map;
import org.dpo4j.conformance.On;
import org.dpo4j.conformance.OnEachCudaDevice;
import org.dpo4j.conformance.StandIn;
import org.dpo4j.kernels.decoder.Residual;

/**
 * No call changes the thread's current CUDA device. With dpo4j on device 0 and another library on device 1, it stays 1.
 */
class CudaCurrentDeviceTest {
    private static final int OURS = 0;
    private static final int CALLERS = 1;

    private static int currentDevice() {
        int[] device = {-1};
        assertThat(cudaGetDevice(device)).isZero();
        return device[0];
    }

    /** Runs work on a thread whose current device is the caller's. Skipped unless there are two devices. */
    private static void withTwoDevices(On on, Runnable work) {
        boolean emulated = on.name().equals("emulated");
        if (emulated) {
            StandIn.setDevices(2);
        }
        try {
            int[] count = new int[1];
            assertThat(cudaGetDeviceCount(count)).isZero();
            assumeTrue(count[0] >= 2, "this machine has one GPU, and the test needs two");
            assertThat(cudaSetDevice(CALLERS)).isZero();
            work.run();
        } finally {
            assertThat(cudaSetDevice(OURS)).isZero();
            if (emulated) {
                StandIn.setDevices(1);
            }
        }
    }

    private static void expectCallers(String after) {
        assertThat(currentDevice()).as("the thread's device after " + after).isEqualTo(CALLERS);
    }

    @OnEachCudaDevice
    void noCallChangesTheCurrentDevice(On on) {
        withTwoDevices(on, () -> {
            Device device = Devices.cuda(OURS);
            expectCallers("open");
            DeviceBuffer buffer = device.allocate(256);
            expectCallers("allocate");
            if (on.name().equals("emulated")) {
                assertThat(StandIn.deviceOf(buffer.address())).isEqualTo(OURS);
            }
            calls(device, buffer.address()).forEach((name, call) -> {
                call.run();
                expectCallers(name);
            });
            Device.Graph graph = device.capture(() -> {
                expectCallers("the beginning of capture");
                device.fill(buffer.address(), 3, 16);
            });
            expectCallers("capture");
            graph.launch();
            expectCallers("launch of a graph");
            graph.close();
            expectCallers("close of a graph");
            assertThat(device.downloadInts(buffer.address(), 1)[0]).isEqualTo(0x03030303);
            buffer.close();
            expectCallers("close of a buffer");
            device.close();
            expectCallers("close");
            assertThat(Devices.report().cuda().gpus()).hasSizeGreaterThan(1);
            expectCallers("probe");
        });
    }

    private static Map<String, Runnable> calls(Device device, long at) {
        ByteBuffer host = ByteBuffer.allocateDirect(16);
        Map<String, Runnable> calls = new LinkedHashMap<>();
        calls.put("upload", () -> device.upload(at, host.duplicate()));
        calls.put("download", () -> device.download(host.duplicate(), at));
        calls.put("copy", () -> device.copy(at + 64, at, 16));
        calls.put("fill", () -> device.fill(at, 0, 256));
        calls.put(
                "matmul",
                () -> device.matmul(
                        at, at + 64, at + 128, MatmulShape.contiguous(4, 4, 4, DType.F32, DType.F32), false));
        calls.put("an operation", () -> Residual.forward(device, at, at + 64, at + 128, 16, DType.F32));
        calls.put("synchronize", device::synchronize);
        calls.put("availableBytes", device::availableBytes);
        calls.put(
                "microseconds",
                () -> device.microseconds(() -> {
                    expectCallers("the beginning of microseconds");
                    device.fill(at, 0, 16);
                }));
        return calls;
    }

    @OnEachCudaDevice
    void failedCallsDoNotChangeIt(On on) {
        withTwoDevices(on, () -> {
            try (Device device = Devices.cuda(OURS)) {
                assertThatThrownBy(() -> device.allocate(Long.MAX_VALUE / 2)).isInstanceOf(Dpo4jException.class);
                expectCallers("allocate");
                assertThatThrownBy(() -> device.capture(device::synchronize)).isInstanceOf(Dpo4jException.class);
                expectCallers("capture");
                assertThatThrownBy(() -> Devices.cuda(99)).isInstanceOf(Dpo4jException.class);
                expectCallers("open");
            }
            expectCallers("close");
        });
    }
}
