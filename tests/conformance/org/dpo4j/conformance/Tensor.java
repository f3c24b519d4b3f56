package org.dpo4j.conformance;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.function.IntPredicate;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.DeviceBuffer;
import org.dpo4j.testkit.Storage;

/**
 * One tensor of a call, between two guard zones. All bits are set in guard zones, in gaps between rows, and in outputs
 * before the call. So a kernel that reads them gets NaN, and a write to guards or gaps is detected.
 */
final class Tensor implements AutoCloseable {
    /** How the device may access the tensor. */
    enum Role {
        INPUT,
        OUTPUT,
        UPDATED,
        SCRATCH
    }

    /**
     * 16 more than a multiple of 256, so that the tensor is aligned to 16 bytes, as dpo4j.h requires, and not to more.
     */
    private static final int GUARD = 256 + 16;

    /** Of a workspace that nobody has written: NaN as floats, and as a counter larger than any. Counters of -1 would be 0 after one more. */
    private static final long SCRATCH = 0x7FFF_FFFF_7FFF_FFFFL;

    final int rows;
    final int width;
    final int stride;
    private final String name;
    private final Role role;
    private final Storage storage;
    private final Device device;
    private final DeviceBuffer buffer;
    private final ByteBuffer before;
    private ByteBuffer image;
    private IntPredicate writtenRows = row -> true;

    Tensor(Device device, String name, Role role, Storage storage, int rows, int width, int stride) {
        this.device = device;
        this.name = name;
        this.role = role;
        this.storage = storage;
        this.rows = rows;
        this.width = width;
        this.stride = stride;
        long extent = rows == 0 ? 0 : ((rows - 1L) * stride + width) * storage.bytes;
        before = filled(Math.toIntExact(extent + 2 * GUARD), role == Role.SCRATCH ? SCRATCH : -1);
        image = before;
        buffer = device.allocate(before.capacity());
    }

    private static ByteBuffer filled(int bytes, long words) {
        ByteBuffer image = ByteBuffer.allocateDirect(bytes).order(ByteOrder.nativeOrder());
        long[] whole = new long[bytes / 8];
        Arrays.fill(whole, words);
        image.asLongBuffer().put(whole);
        for (int at = 8 * whole.length; at < bytes; at++) {
            image.put(at, (byte) -1);
        }
        return image;
    }

    long address() {
        return buffer.address() + GUARD;
    }

    int size() {
        return rows * width;
    }

    /** Sets the values that the tensor has before the call, row after row, rounded to its type. */
    Tensor set(double... values) {
        if (values.length != size()) {
            throw new IllegalArgumentException(name + " has " + size() + " elements, not " + values.length);
        }
        int run = run();
        for (int i = 0; i < values.length; i += run) {
            storage.write(before, offset(i / width, 0), values, i, run);
        }
        return this;
    }

    /** Declares that the call writes only these rows of an output; the others must stay as they were. */
    Tensor writes(IntPredicate rowsThatAreWritten) {
        writtenRows = rowsThatAreWritten;
        return this;
    }

    /** Values on the device: after the last {@link #download}, or as set. */
    double[] values() {
        return values(0, rows);
    }

    /** The values of one row. */
    double[] row(int row) {
        return values(row, row + 1);
    }

    private double[] values(int first, int end) {
        double[] values = new double[(end - first) * width];
        int run = Math.min(run(), values.length);
        for (int i = 0; i < values.length; i += run) {
            storage.read(image, offset(first + i / width, 0), values, i, run);
        }
        return values;
    }

    /** The number of elements that follow each other without a gap: all, or those of a row. */
    private int run() {
        return stride == width ? size() : width;
    }

    /** The bits of the values, for exact comparisons. */
    long[] bits() {
        return bits(0, rows);
    }

    /** The bits of the values of one row. */
    long[] rowBits(int row) {
        return bits(row, row + 1);
    }

    /** The bits of the first {@code count} elements of another type in the memory of one row. */
    long[] rowBits(int row, Storage type, int count) {
        long[] bits = new long[count];
        Arrays.setAll(bits, i -> type.bits(image, offset(row, 0) + i * type.bytes));
        return bits;
    }

    private long[] bits(int first, int end) {
        long[] bits = new long[(end - first) * width];
        int run = Math.min(run(), bits.length);
        for (int i = 0; i < bits.length; i += run) {
            storage.bits(image, offset(first + i / width, 0), bits, i, run);
        }
        return bits;
    }

    private int offset(int row, int column) {
        return GUARD + (row * stride + column) * storage.bytes;
    }

    void upload() {
        device.upload(buffer.address(), before.duplicate().clear());
    }

    void download() {
        ByteBuffer after = ByteBuffer.allocateDirect(before.capacity()).order(ByteOrder.nativeOrder());
        device.download(after, buffer.address());
        image = after.clear();
    }

    /** Fails unless the call wrote every element that it must write, and no other memory. */
    void check() {
        unchanged(0, GUARD, "before its first element");
        unchanged(image.capacity() - GUARD, image.capacity(), "after its last element");
        switch (role) {
            case INPUT -> unchanged(0, image.capacity(), "although it is an input");
            case OUTPUT, UPDATED -> checkRows();
            case SCRATCH -> {}
        }
    }

    private void checkRows() {
        for (int row = 0; row < rows; row++) {
            if (row > 0) {
                unchanged(offset(row - 1, width), offset(row, 0), "between rows " + (row - 1) + " and " + row);
            }
            if (!writtenRows.test(row)) {
                unchanged(offset(row, 0), offset(row, width), "in row " + row + ", which the call must leave");
            } else if (role == Role.OUTPUT) {
                written(row);
            }
        }
    }

    private void written(int row) {
        long[] bits = rowBits(row);
        for (int column = 0; column < width; column++) {
            if (bits[column] == -1) {
                throw new AssertionError(
                        name + " was not written at [" + row + ", " + column + "] of [" + rows + ", " + width + "]");
            }
        }
    }

    /** Fails if anything was written. */
    void checkUntouched() {
        unchanged(0, image.capacity(), "although the call was refused or empty");
    }

    private void unchanged(int begin, int end, String where) {
        int at = image.slice(begin, end - begin).mismatch(before.slice(begin, end - begin));
        if (at >= 0) {
            int element = Math.floorDiv(begin + at - GUARD, storage.bytes);
            throw new AssertionError(name + " was written " + where + ": element " + element
                    + " counted from its first, stride " + stride);
        }
    }

    /** Fails unless the image has the bits of {@code then}. */
    void sameAs(ByteBuffer then, String when) {
        int at = role == Role.SCRATCH ? -1 : image.mismatch(then);
        if (at >= 0) {
            throw new AssertionError(name + " has other bits " + when + ", first at element "
                    + Math.floorDiv(at - GUARD, storage.bytes));
        }
    }

    ByteBuffer image() {
        return image;
    }

    @Override
    public void close() {
        buffer.close();
    }
}
