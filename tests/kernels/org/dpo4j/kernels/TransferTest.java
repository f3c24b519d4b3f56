package org.dpo4j.kernels;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.SplittableRandom;
import org.dpo4j.conformance.On;
import org.dpo4j.conformance.OnEachDevice;

/** Uploads bytes to a device and downloads them. */
class TransferTest {
    private static ByteBuffer direct(int bytes) {
        return ByteBuffer.allocateDirect(bytes).order(ByteOrder.LITTLE_ENDIAN);
    }

    private static ByteBuffer random(int bytes) {
        byte[] content = new byte[bytes];
        new SplittableRandom(bytes).nextBytes(content);
        return direct(bytes).put(content).flip();
    }

    /** Sizes around the boundaries of the pieces of a transfer: 1 MiB of an array, 4 MiB of pinned memory. */
    @OnEachDevice
    void bytesOfAnySizeComeBack(On on) {
        for (int bytes : new int[] {0, 1, 3, 4095, (4 << 20) - 1, 4 << 20, (4 << 20) + 1, (13 << 20) + 7}) {
            try (DeviceBuffer buffer = on.device().allocate(bytes)) {
                ByteBuffer sent = random(bytes);
                on.device().upload(buffer.address(), sent);
                assertThat(sent.remaining()).isZero();
                ByteBuffer received = direct(bytes);
                on.device().download(received, buffer.address());
                assertThat(received.remaining()).isZero();
                assertThat(received.flip()).as("%d bytes", bytes).isEqualTo(sent.flip());
            }
        }
    }

    @OnEachDevice
    void arraysOfAnySizeComeBack(On on) {
        for (int count : new int[] {0, 1, 5, (1 << 18) - 1, 1 << 18, (1 << 18) + 1, 700_001}) {
            int[] ints = new SplittableRandom(count).ints(count).toArray();
            float[] floats = new float[count];
            for (int i = 0; i < count; i++) {
                floats[i] = ints[i] * 0.37f;
            }
            try (DeviceBuffer buffer = on.device().allocate(4L * count)) {
                on.device().upload(buffer.address(), ints);
                assertThat(on.device().downloadInts(buffer.address(), count)).isEqualTo(ints);
                on.device().upload(buffer.address(), floats);
                assertThat(on.device().downloadFloats(buffer.address(), count)).isEqualTo(floats);
            }
        }
    }

    @OnEachDevice
    void doublesComeBack(On on) {
        int count = (1 << 17) + 3; // more than one piece
        ByteBuffer sent = direct(8 * count);
        for (int i = 0; i < count; i++) {
            sent.putDouble(i / 3.0);
        }
        try (DeviceBuffer buffer = on.device().allocate(8L * count)) {
            on.device().upload(buffer.address(), sent.flip());
            double[] received = on.device().downloadDoubles(buffer.address(), count);
            for (int i = 0; i < count; i++) {
                assertThat(received[i]).isEqualTo(i / 3.0);
            }
        }
    }

    @OnEachDevice
    void onlyWhatRemainsInABufferIsCopied(On on) {
        try (DeviceBuffer buffer = on.device().allocate(16)) {
            on.device().fill(buffer.address(), 0xEE, 16);
            ByteBuffer sent = direct(8).put(new byte[] {0, 1, 2, 3, 4, 5, 6, 7});
            on.device().upload(buffer.address() + 4, sent.position(2).limit(6));
            ByteBuffer received = direct(16);
            received.position(3).limit(15);
            on.device().download(received, buffer.address() + 2);
            byte[] bytes = new byte[16];
            received.clear().get(bytes);
            byte e = (byte) 0xEE;
            assertThat(bytes).containsExactly(0, 0, 0, e, e, 2, 3, 4, 5, e, e, e, e, e, e, 0);
        }
    }

    @OnEachDevice
    void theSourceMayChangeAtOnce(On on) {
        int bytes = 3 << 20;
        try (DeviceBuffer buffer = on.device().allocate(4L * bytes)) {
            ByteBuffer source = direct(bytes);
            for (int piece = 0; piece < 4; piece++) {
                for (int i = 0; i < bytes; i++) {
                    source.put(i, (byte) (piece + 1));
                }
                on.device().upload(buffer.address() + (long) piece * bytes, source.clear());
            }
            for (int i = 0; i < bytes; i++) {
                source.put(i, (byte) 99);
            }
            for (int piece = 0; piece < 4; piece++) {
                int[] received = on.device().downloadInts(buffer.address() + (long) piece * bytes, bytes / 4);
                assertThat(received).containsOnly(0x01010101 * (piece + 1));
            }
        }
    }

    @OnEachDevice
    void copiesAndFillsWithinTheDevice(On on) {
        try (DeviceBuffer buffer = on.device().allocate(32)) {
            long address = buffer.address();
            on.device().upload(address, new int[] {1, 2, 3, 4, 5, 6, 7, 8});
            on.device().copy(address + 16, address + 4, 12);
            on.device().fill(address, 0x17F, 5); // the low 8 bits of the value
            on.device().fill(address, 0, 0);
            on.device().copy(address, address + 16, 0);
            assertThat(on.device().downloadInts(address, 8)).containsExactly(0x7F7F7F7F, 0x7F, 3, 4, 2, 3, 4, 8);
        }
    }

    @OnEachDevice
    void refusesBuffersOnTheHeap(On on) {
        try (DeviceBuffer buffer = on.device().allocate(16)) {
            ByteBuffer heap = ByteBuffer.allocate(16);
            assertThatThrownBy(() -> on.device().upload(buffer.address(), heap))
                    .isInstanceOf(Dpo4jException.class)
                    .hasMessageContaining("upload")
                    .hasMessageContaining("direct");
            assertThatThrownBy(() -> on.device().download(heap, buffer.address()))
                    .isInstanceOf(Dpo4jException.class)
                    .hasMessageContaining("download")
                    .hasMessageContaining("direct");
        }
    }
}
