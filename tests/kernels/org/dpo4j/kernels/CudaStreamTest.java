package org.dpo4j.kernels;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.bytedeco.cuda.global.cudart.cudaErrorStreamCaptureUnsupported;
import static org.bytedeco.cuda.global.cudart.cudaGetLastError;
import static org.bytedeco.cuda.global.cudart.cudaStreamBeginCapture;
import static org.bytedeco.cuda.global.cudart.cudaStreamCaptureModeThreadLocal;

import org.bytedeco.cuda.cudart.CUstream_st;
import org.bytedeco.javacpp.Pointer;
import org.dpo4j.conformance.On;
import org.dpo4j.conformance.OnEachCudaDevice;

/** Devices on default streams: the legacy default stream (0 or 1) and the per-thread default stream (2). */
class CudaStreamTest {
    private static final long PER_THREAD = 2;

    /** Names a stream. */
    private static final class Handle extends Pointer {
        Handle(long handle) {
            this.address = handle;
        }
    }

    /** CUDA itself refuses the capture, as documented: "Capture may not be initiated if stream is cudaStreamLegacy". */
    @OnEachCudaDevice
    void theLegacyStreamIsNotCaptured(On on) {
        for (long legacy : new long[] {0, 1}) {
            on.device().synchronize();
            assertThat(cudaStreamBeginCapture(new CUstream_st(new Handle(legacy)), cudaStreamCaptureModeThreadLocal))
                    .isEqualTo(cudaErrorStreamCaptureUnsupported);
            cudaGetLastError();
            try (Device device = Devices.cuda(0, legacy)) {
                assertThat(device.supportsGraphs()).isFalse();
                assertThatThrownBy(() -> device.capture(() -> {}))
                        .isInstanceOf(Dpo4jException.class)
                        .hasMessageContaining("legacy default stream")
                        .hasMessageContaining("another stream");
                works(device);
            }
        }
    }

    @OnEachCudaDevice
    void thePerThreadDefaultStreamIsCaptured(On on) {
        try (Device device = Devices.cuda(0, PER_THREAD);
                DeviceBuffer buffer = device.allocate(16)) {
            assertThat(on.device().supportsGraphs()).isTrue();
            assertThat(device.supportsGraphs()).isTrue();
            device.fill(buffer.address(), 1, 16);
            try (Device.Graph graph = device.capture(() -> device.fill(buffer.address(), 7, 16))) {
                assertThat(device.downloadInts(buffer.address(), 1)[0]).isEqualTo(0x01010101);
                graph.launch();
                assertThat(device.downloadInts(buffer.address(), 1)[0]).isEqualTo(0x07070707);
            }
        }
    }

    private static void works(Device device) {
        try (DeviceBuffer buffer = device.allocate(16)) {
            device.fill(buffer.address(), 5, 16);
            assertThat(device.downloadInts(buffer.address(), 1)[0]).isEqualTo(0x05050505);
        }
    }
}
