package org.dpo4j.model;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.List;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.kernels.decoder.Segment;

/**
 * The index arrays of one pass, sent to the device in one copy: add them all, {@link #upload}, then ask for their
 * addresses.
 */
final class Indices implements AutoCloseable {
    private static final int ALIGNMENT = 16;
    private static final int FIRST = 1 << 16;

    private final Device device;
    private final Arena arena;
    private ByteBuffer host = ByteBuffer.allocateDirect(FIRST).order(ByteOrder.LITTLE_ENDIAN);
    private long address;

    Indices(Device device) {
        this.device = device;
        this.arena = new Arena(device);
    }

    void clear() {
        host.clear();
    }

    /** Adds an array; the result is what {@link #address} takes. */
    int add(int[] values) {
        int place = reserve(values.length * 4L);
        host.asIntBuffer().put(values);
        host.position(place + values.length * 4);
        return place;
    }

    int add(List<Segment> segments) {
        return add(Segment.pack(segments));
    }

    /**
     * Adds the ranges of equal indices, with places for {@code count} rows: those behind the indices carry none.
     */
    Sorted addSorted(int[] indices, int count) {
        long[] keys = new long[indices.length];
        for (int row = 0; row < indices.length; row++) {
            keys[row] = (long) indices[row] << 32 | row;
        }
        Arrays.sort(keys);
        int[] order = new int[count];
        int[] offsets = new int[count + 1];
        int[] distinct = new int[count];
        Arrays.fill(offsets, keys.length);
        int ranges = 0;
        for (int i = 0; i < keys.length; i++) {
            order[i] = (int) keys[i];
            int index = (int) (keys[i] >> 32);
            if (ranges == 0 || distinct[ranges - 1] != index) {
                distinct[ranges] = index;
                offsets[ranges++] = i;
            }
        }
        return new Sorted(add(order), add(offsets), add(distinct), count);
    }

    /** Places of the three arrays of {@link RowsByIndex}. */
    record Sorted(int order, int offsets, int distinct, int count) {}

    /** Where they are, after {@link #upload}. */
    RowsByIndex rowsByIndex(Sorted sorted) {
        return new RowsByIndex(address(sorted.order), address(sorted.offsets), address(sorted.distinct), sorted.count);
    }

    void upload() {
        host.flip();
        arena.lay(() -> address = arena.take(host.capacity())); // grows seldom: graphs hold addresses within
        device.upload(address, host);
    }

    /** Device address of an array, after {@link #upload}. */
    long address(int place) {
        return address + place;
    }

    /** Makes room for arrays of these lengths, and forgets those that were added. */
    void reserve(long... lengths) {
        clear();
        reserve(end(lengths));
        clear();
    }

    /** What arrays of these lengths take of the device, when no pass before had more. */
    static long bytes(long... lengths) {
        return capacity(end(lengths));
    }

    private static long end(long... lengths) {
        long end = 0;
        for (long length : lengths) {
            end = aligned(end) + 4 * length;
        }
        return end;
    }

    private static int capacity(long bytes) {
        return bytes <= FIRST ? FIRST : Integer.highestOneBit((int) bytes - 1) << 1;
    }

    private static long aligned(long place) {
        return place + ALIGNMENT - 1 & -ALIGNMENT;
    }

    private int reserve(long bytes) {
        int place = (int) aligned(host.position());
        long needed = place + bytes;
        if (needed > host.capacity()) {
            if (needed > Integer.MAX_VALUE / 2) {
                throw new Dpo4jException("a batch has " + needed + " bytes of indices; make it smaller");
            }
            ByteBuffer larger = ByteBuffer.allocateDirect(capacity(needed)).order(ByteOrder.LITTLE_ENDIAN);
            larger.put(host.flip());
            host = larger;
        }
        host.position(place);
        return place;
    }

    @Override
    public void close() {
        arena.close();
    }
}
