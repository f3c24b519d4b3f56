package org.dpo4j.bench.device;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.DeviceBuffer;
import org.dpo4j.kernels.decoder.MatrixShape;
import org.dpo4j.testkit.Storage;

/** The device, the shape and the tensors of a benchmark. Closes the tensors. */
final class Fixture implements AutoCloseable {
    private static final int SAMPLES = 64;

    private final Device device;
    private final Shape shape;
    private final Numbers numbers;
    private final int copies;
    private final List<DeviceBuffer> buffers = new ArrayList<>();
    private final List<Operand> cleared = new ArrayList<>();
    private final List<Operand> updated = new ArrayList<>();

    /**
     * @param copies number of copies of every tensor; calls use one after another
     */
    Fixture(Device device, Shape shape, Numbers numbers, int copies) {
        this.device = device;
        this.shape = shape;
        this.numbers = numbers;
        this.copies = copies;
    }

    Device device() {
        return device;
    }

    Shape shape() {
        return shape;
    }

    DType dtype() {
        return shape.dtype();
    }

    long at(String name) {
        return shape.at(name);
    }

    int count(String name) {
        return shape.count(name);
    }

    /** Rows, width and storage of a matrix. */
    MatrixShape matrix() {
        return new MatrixShape(at("rows"), at("width"), dtype());
    }

    Numbers numbers() {
        return numbers;
    }

    /** Some of {@code count} indices, including the first and the last. */
    int[] sample(long count) {
        return sample(SAMPLES, count);
    }

    static int[] sample(int max, long count) {
        int samples = (int) Math.min(max, count);
        return IntStream.range(0, samples)
                .map(i -> samples == 1 ? 0 : (int) (i * (count - 1) / (samples - 1)))
                .toArray();
    }

    /** Normal numbers in the shape's type. */
    Operand normal(double deviation, long count) {
        return normal(dtype(), deviation, count);
    }

    Operand normal(DType dtype, double deviation, long count) {
        Operand tensor = empty(Storage.of(dtype), count);
        for (int copy = 0; copy < copies; copy++) {
            int drawn = (int) Math.min(count, numbers.size());
            device.upload(tensor.at(copy), numbers.deal(drawn, deviation, dtype));
            long bytes = (long) drawn * dtype.bytes();
            for (long done = bytes; done < tensor.bytes(); done += bytes) {
                device.copy(tensor.at(copy) + done, tensor.at(copy), Math.min(bytes, tensor.bytes() - done));
            }
        }
        return tensor;
    }

    /** Zeros in the shape's type, for results that calls write or add to. */
    Operand zeros(long count) {
        return zeros(dtype(), count);
    }

    Operand zeros(DType dtype, long count) {
        Operand tensor = empty(Storage.of(dtype), count);
        device.fill(tensor.base(), 0, tensor.stride() * copies);
        cleared.add(tensor);
        return tensor;
    }

    /** A tensor of this fixture that a call reads and overwrites. */
    Operand updated(Operand tensor) {
        updated.add(tensor);
        return tensor;
    }

    /**
     * Marks tensors made by {@link #zeros} as inputs: the preparation has computed them, and calls do not write them.
     */
    void computed(Operand... tensors) {
        cleared.removeAll(List.of(tensors));
    }

    /** Zeros that calls write or add to. */
    List<Operand> cleared() {
        return List.copyOf(cleared);
    }

    /** All tensors that calls write. */
    List<Operand> results() {
        List<Operand> results = new ArrayList<>(cleared);
        results.addAll(updated);
        return results;
    }

    /** Saves the first copies of the tensors that calls overwrite. */
    Restored restored() {
        return new Restored();
    }

    /** Saved tensors. {@code restore} writes them back, and sets {@link #cleared} tensors to 0. */
    final class Restored implements AutoCloseable {
        private final List<DeviceBuffer> kept = new ArrayList<>();

        private Restored() {
            for (Operand tensor : updated) {
                DeviceBuffer copy = device.allocate(tensor.bytes());
                kept.add(copy);
                device.copy(copy.address(), tensor.base(), tensor.bytes());
            }
        }

        void restore() {
            for (Operand tensor : cleared) {
                device.fill(tensor.base(), 0, tensor.bytes());
            }
            for (int i = 0; i < kept.size(); i++) {
                device.copy(
                        updated.get(i).base(),
                        kept.get(i).address(),
                        updated.get(i).bytes());
            }
        }

        @Override
        public void close() {
            kept.forEach(DeviceBuffer::close);
        }
    }

    Operand ints(int... values) {
        Operand tensor = empty(Storage.I32, values.length);
        for (int copy = 0; copy < copies; copy++) {
            device.upload(tensor.at(copy), values);
        }
        return tensor;
    }

    /** Random indices below {@code end}. */
    Operand indices(int count, int end) {
        return ints(numbers.indices(count, end));
    }

    Operand floats(float... values) {
        Operand tensor = empty(Storage.F32, values.length);
        for (int copy = 0; copy < copies; copy++) {
            device.upload(tensor.at(copy), values);
        }
        return tensor;
    }

    /** Address of scratch memory; 0 if {@code bytes} is 0. */
    long workspace(long bytes) {
        return bytes == 0 ? 0 : allocate(bytes).address();
    }

    private Operand empty(Storage storage, long count) {
        long stride = (count * storage.bytes + 255) & -256;
        return new Operand(device, allocate(stride * copies).address(), stride, copies, count, storage);
    }

    private DeviceBuffer allocate(long bytes) {
        DeviceBuffer buffer = device.allocate(bytes);
        buffers.add(buffer);
        return buffer;
    }

    @Override
    public void close() {
        buffers.forEach(DeviceBuffer::close);
    }
}
