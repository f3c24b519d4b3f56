package org.dpo4j.kernels;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.ByteBuffer;
import java.util.LinkedHashMap;
import java.util.Map;
import org.dpo4j.conformance.On;
import org.dpo4j.conformance.OnEachDevice;
import org.dpo4j.conformance.StandIn;
import org.dpo4j.conformance.StandIn.Event;
import org.dpo4j.kernels.decoder.Residual;

/** Captures work in a CUDA graph and launches it again. */
class DeviceGraphTest {
    private static final int N = 64;
    private static final long BYTES = 4L * N;

    /** Five arrays of N numbers. The first two are inputs, and {@link #queue} computes the others. */
    private record Arrays(Device device, long a) {
        long array(int i) {
            return a + BYTES * i;
        }

        /**
         * Sets array 2 to a + b, array 3 to the matrix product a b of 8 x 8 matrices, and array 4 to array 2 with its
         * first 16 bytes set to 0.
         */
        void queue() {
            Residual.forward(device, array(2), a, array(1), N, DType.F32);
            device.matmul(array(3), a, array(1), MatmulShape.contiguous(8, 8, 8, DType.F32, DType.F32), false);
            device.copy(array(4), array(2), BYTES);
            device.fill(array(4), 0, 16);
        }

        void set(float a, float b) {
            float[] values = new float[2 * N];
            java.util.Arrays.fill(values, 0, N, a);
            java.util.Arrays.fill(values, N, 2 * N, b);
            device.upload(this.a, values);
        }

        void clear() {
            device.fill(array(2), 0xFF, 3 * BYTES);
        }

        float[] results() {
            return device.downloadFloats(array(2), 3 * N);
        }
    }

    private static void expect(Arrays arrays, float a, float b) {
        float[] results = arrays.results();
        for (int i = 0; i < N; i++) {
            assertThat(results[i]).isEqualTo(a + b);
            assertThat(results[N + i]).isEqualTo(8 * a * b);
            assertThat(results[2 * N + i]).isEqualTo(i < 4 ? 0 : a + b);
        }
    }

    @OnEachDevice
    void readsItsInputsAtEachLaunch(On on) {
        if (!on.device().supportsGraphs()) {
            assertThatThrownBy(() -> on.device().capture(() -> {}))
                    .isInstanceOf(Dpo4jException.class)
                    .hasMessageContaining("cpu");
            return;
        }
        try (DeviceBuffer memory = on.device().allocate(5 * BYTES)) {
            Arrays arrays = new Arrays(on.device(), memory.address());
            arrays.set(1, 2);
            arrays.queue();
            expect(arrays, 1, 2);
            arrays.clear();
            try (Device.Graph graph = on.device().capture(arrays::queue)) {
                assertThat(arrays.results()).containsOnly(Float.NaN);
                for (float a = 3; a < 6; a++) {
                    arrays.set(a, 0.5f);
                    graph.launch();
                    expect(arrays, a, 0.5f);
                }
                arrays.queue();
                expect(arrays, 5, 0.5f);
            }
        }
    }

    @OnEachDevice
    void isOneGraphLaunch(On on) {
        if (!on.name().equals("emulated")) {
            return;
        }
        try (DeviceBuffer memory = on.device().allocate(5 * BYTES)) {
            Arrays arrays = new Arrays(on.device(), memory.address());
            arrays.set(1, 2);
            arrays.queue();
            assertThat(StandIn.count(Event.LAUNCHES, arrays::queue)).isEqualTo(1);
            try (Device.Graph graph = on.device().capture(arrays::queue)) {
                assertThat(StandIn.count(Event.LAUNCHES, graph::launch)).isZero();
                assertThat(StandIn.count(Event.GRAPH_LAUNCHES, graph::launch)).isEqualTo(1);
            }
        }
    }

    /** The error names the refused call, and the device still works afterwards. */
    @OnEachDevice
    void refusesCallsThatCannotBeCaptured(On on) {
        if (!on.device().supportsGraphs()) {
            return;
        }
        Device device = on.device();
        long before = device.allocatedBytes();
        try (DeviceBuffer memory = device.allocate(5 * BYTES);
                DeviceBuffer other = device.allocate(16)) {
            Arrays arrays = new Arrays(device, memory.address());
            arrays.set(1, 2);
            arrays.queue();
            Map<String, Runnable> refused = new LinkedHashMap<>();
            refused.put("allocate", () -> device.allocate(16));
            refused.put("upload", () -> device.upload(memory.address(), new int[1]));
            refused.put("download", () -> device.download(ByteBuffer.allocateDirect(4), memory.address()));
            refused.put("synchronize", device::synchronize);
            refused.put("microseconds", () -> device.microseconds(arrays::queue));
            refused.put("closing a buffer", other::close);
            refused.put("closing the device", device::close);
            refused.put("capture", () -> device.capture(() -> {}));
            refused.forEach((name, work) -> {
                assertThatThrownBy(() -> device.capture(() -> {
                            arrays.queue();
                            work.run();
                        }))
                        .isInstanceOf(Dpo4jException.class)
                        .hasMessageContaining(name);
                arrays.clear();
                arrays.queue();
                expect(arrays, 1, 2);
            });
            assertThatThrownBy(() -> device.capture(() -> {
                        throw new IllegalStateException("mine");
                    }))
                    .hasMessage("mine");
            try (Device.Graph graph = device.capture(arrays::queue)) {
                arrays.clear();
                graph.launch();
                expect(arrays, 1, 2);
            }
            assertThat(other.address()).as("a buffer whose closing was refused").isNotZero();
        }
        assertThat(device.allocatedBytes()).isEqualTo(before);
    }

    @OnEachDevice
    void canBeClosedTwiceAndThenRefusesLaunches(On on) {
        if (!on.device().supportsGraphs()) {
            return;
        }
        try (DeviceBuffer memory = on.device().allocate(5 * BYTES)) {
            Arrays arrays = new Arrays(on.device(), memory.address());
            arrays.queue();
            Device.Graph graph = on.device().capture(arrays::queue);
            graph.close();
            graph.close();
            assertThatThrownBy(graph::launch).isInstanceOf(Dpo4jException.class).hasMessageContaining("closed");
        }
    }
}
