package org.dpo4j.kernels;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.dpo4j.conformance.On;
import org.dpo4j.conformance.OnEachDevice;
import org.dpo4j.kernels.decoder.Residual;

/** Opening and closing of devices, and their memory. */
class DeviceTest {

    /** A device of the same kind that this test may close. */
    private static Device another(On on) {
        return on.cuda() ? Devices.cuda(0) : Devices.cpu(2);
    }

    @OnEachDevice
    void hasANameAndADescription(On on) {
        Device device = on.device();
        assertThat(device.name()).isEqualTo(on.cuda() ? "cuda" : "cpu");
        assertThat(device.processor()).isNotBlank().isEqualTo(on.again().processor());
        assertThat(device.description()).startsWith(device.processor()).doesNotContain("\n");
        assertThat(device.context()).isNotZero();
        assertThat(device.stream() == 0).isEqualTo(!on.cuda());
        assertThat(device.supports(DType.F32)).isTrue();
        assertThat(device.supports(DType.BF16)).isTrue();
        assertThat(device.supports(DType.F16)).isFalse();
        assertThat(device.supportsGraphs()).isEqualTo(on.cuda());
    }

    @OnEachDevice
    void canBeClosedTwiceAndThenRefusesCalls(On on) {
        Device device = another(on);
        DeviceBuffer buffer = device.allocate(64);
        long address = buffer.address();
        buffer.close();
        device.close();
        device.close();
        ByteBuffer host = ByteBuffer.allocateDirect(4);
        List<Runnable> calls = List.of(
                device::context,
                device::stream,
                () -> device.allocate(16),
                device::allocatedBytes,
                device::peakAllocatedBytes,
                device::availableBytes,
                () -> device.upload(address, host),
                () -> device.upload(address, new int[1]),
                () -> device.download(host, address),
                () -> device.copy(address, address, 4),
                () -> device.fill(address, 0, 4),
                () -> device.matmul(
                        address, address, address, MatmulShape.contiguous(1, 1, 1, DType.F32, DType.F32), false),
                () -> Residual.forward(device, address, address, address, 4, DType.F32),
                device::synchronize,
                () -> device.microseconds(() -> {}),
                device::supportsGraphs,
                () -> device.capture(() -> {}));
        for (Runnable call : calls) {
            assertThatThrownBy(call::run).isInstanceOf(Dpo4jException.class).hasMessageContaining("closed");
        }
    }

    /**
     * The call waits for the work, and more work takes longer: 64 MiB of fills take milliseconds, one byte does not.
     */
    @OnEachDevice
    void timesWork(On on) {
        Device device = on.device();
        try (DeviceBuffer buffer = device.allocate(64 << 20)) {
            device.fill(buffer.address(), 1, buffer.bytes());
            double one = device.microseconds(() -> device.fill(buffer.address(), 7, 1));
            double all = device.microseconds(() -> {
                for (int i = 0; i < 8; i++) {
                    device.fill(buffer.address() + 1, 5, buffer.bytes() - 1);
                }
            });
            assertThat(one).isNotNegative();
            assertThat(all).isGreaterThan(one);
            assertThat(device.downloadInts(buffer.address(), 1)[0]).isEqualTo(0x05050507);
        }
        assertThatThrownBy(() -> device.microseconds(() -> {
                    throw new IllegalStateException("of the work");
                }))
                .hasMessage("of the work");
    }

    @OnEachDevice
    void countsItsMemory(On on) {
        try (Device device = another(on)) {
            assertThat(device.allocatedBytes()).isZero();
            DeviceBuffer small = device.allocate(1000);
            DeviceBuffer large = device.allocate(5_000_000);
            assertThat(device.allocatedBytes()).isEqualTo(5_001_000);
            large.close();
            large.close();
            assertThat(device.allocatedBytes()).isEqualTo(1000);
            try (DeviceBuffer other = device.allocate(2000)) {
                assertThat(other.bytes()).isEqualTo(2000);
                assertThat(device.allocatedBytes()).isEqualTo(3000);
            }
            small.close();
            assertThat(device.allocatedBytes()).isZero();
            assertThat(device.peakAllocatedBytes()).isEqualTo(5_001_000);
        }
    }

    /**
     * On a GPU, allocated memory is no longer available. On the cpu this is not tested, because other processes may use
     * the host's memory at any time.
     */
    @OnEachDevice
    void reportsAvailableMemory(On on) {
        int bytes = 64 << 20;
        try (Device device = another(on)) {
            long before = device.availableBytes();
            assertThat(before).isPositive();
            try (DeviceBuffer buffer = device.allocate(bytes)) {
                assertThat(device.availableBytes()).isPositive();
                if (on.cuda()) {
                    assertThat(device.availableBytes()).isLessThanOrEqualTo(before - buffer.bytes());
                }
            }
        }
    }

    @OnEachDevice
    void buffersAreAlignedAndDoNotOverlap(On on) {
        List<DeviceBuffer> buffers = new ArrayList<>();
        try (Device device = another(on)) {
            for (long bytes : new long[] {0, 1, 255, 256, 257, 100_000}) {
                buffers.add(device.allocate(bytes));
            }
            buffers.sort((a, b) -> Long.compare(a.address(), b.address()));
            for (int i = 0; i < buffers.size(); i++) {
                DeviceBuffer buffer = buffers.get(i);
                assertThat(buffer.address()).isNotZero();
                assertThat(buffer.address() % 256).isZero();
                if (i > 0) {
                    DeviceBuffer before = buffers.get(i - 1);
                    assertThat(buffer.address()).isGreaterThanOrEqualTo(before.address() + before.bytes());
                }
            }
            buffers.forEach(DeviceBuffer::close);
            assertThatThrownBy(buffers.get(0)::address)
                    .isInstanceOf(Dpo4jException.class)
                    .hasMessageContaining("closed");
        }
    }

    @OnEachDevice
    void aBufferMayBeClosedAfterItsDevice(On on) {
        Device device = another(on);
        DeviceBuffer buffer = device.allocate(100);
        device.close();
        buffer.close();
        assertThatThrownBy(buffer::address).isInstanceOf(Dpo4jException.class);
    }

    @OnEachDevice
    void anAllocationErrorNamesRequestedAndAvailableBytes(On on) {
        assertThatThrownBy(() -> on.device().allocate(1L << 50))
                .isInstanceOf(Dpo4jException.class)
                .hasMessageContaining("1125899906842624 bytes")
                .hasMessageMatching(".*\\d bytes (of memory available|are free).*");
        assertThatThrownBy(() -> on.device().allocate(Long.MAX_VALUE)).isInstanceOf(Dpo4jException.class);
        assertThatThrownBy(() -> on.device().allocate(-1)).hasMessageContaining("bytes is -1");
        assertThat(on.device().allocatedBytes()).isZero();
    }

    @OnEachDevice
    void textOfARefusalNamesOperationAndArgument(On on) {
        try (DeviceBuffer buffer = on.device().allocate(64)) {
            long address = buffer.address();
            assertThatThrownBy(() -> TokenLogProb.forward(
                            on.device(),
                            new TokenLogProb.TokenResults(address, 0),
                            new TokenLogProb.Logits(address, 4, 4, DType.F32),
                            address,
                            1))
                    .isInstanceOf(Dpo4jException.class)
                    .hasMessageStartingWith("token_logprob_forward: lse is null");
        }
    }

    /** Each thread adds its own number a thousand times on its own device, at the same time as the others. */
    @OnEachDevice
    void threadsWithADeviceEachDoNotDisturbEachOther(On on) throws Exception {
        int threads = 3;
        int count = 300;
        ExecutorService executor = Executors.newFixedThreadPool(threads);
        try {
            List<Callable<float[]>> tasks = new ArrayList<>();
            for (int thread = 1; thread <= threads; thread++) {
                float number = thread;
                tasks.add(() -> {
                    float[] step = new float[count];
                    Arrays.fill(step, number);
                    try (Device device = another(on);
                            DeviceBuffer sum = device.allocate(count * 4L);
                            DeviceBuffer addend = device.allocate(count * 4L)) {
                        device.fill(sum.address(), 0, sum.bytes());
                        device.upload(addend.address(), step);
                        for (int i = 0; i < 100; i++) {
                            Residual.forward(device, sum.address(), sum.address(), addend.address(), count, DType.F32);
                        }
                        return device.downloadFloats(sum.address(), count);
                    }
                });
            }
            List<Future<float[]>> sums = executor.invokeAll(tasks);
            for (int thread = 1; thread <= threads; thread++) {
                float[] expected = new float[count];
                Arrays.fill(expected, 100f * thread); // integers below 2^24: exact
                assertThat(sums.get(thread - 1).get()).containsExactly(expected);
            }
        } finally {
            executor.shutdownNow();
        }
    }

    /**
     * One thread at a time may use a device, but not always the same thread. So cuda must not rely on the thread's
     * current device.
     */
    @OnEachDevice
    void aDeviceMayMoveToAnotherThread(On on) throws Exception {
        ExecutorService executor = Executors.newSingleThreadExecutor();
        try (Device device = another(on);
                DeviceBuffer buffer = executor.submit(() -> device.allocate(16)).get()) {
            executor.submit(() -> device.upload(buffer.address(), new int[] {1, 2, 3, 4}))
                    .get();
            assertThat(device.downloadInts(buffer.address(), 4)).containsExactly(1, 2, 3, 4);
        } finally {
            executor.shutdownNow();
        }
    }

    @OnEachDevice
    void closingTheDeviceKeepsTheCallersStream(On on) {
        assumeTrue(on.cuda(), "cpu has no streams");
        try (Device owner = another(on);
                DeviceBuffer buffer = owner.allocate(8)) {
            try (Device guest = Devices.cuda(0, owner.stream())) {
                assertThat(guest.stream()).isEqualTo(owner.stream());
                guest.upload(buffer.address(), new int[] {5, 6});
            }
            assertThat(owner.downloadInts(buffer.address(), 2)).containsExactly(5, 6);
        }
    }
}
