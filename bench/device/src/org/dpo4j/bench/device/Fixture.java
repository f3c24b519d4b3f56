package org.dpo4j.bench.device;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.DeviceBuffer;

/** What a benchmark is made from: a device, a shape, and tensors that are closed with it. */
final class Fixture implements AutoCloseable {
    private static final int SAMPLES = 64;

    private final Device device;
    private final Shape shape;
    private final Numbers numbers;
    private final int copies;
    private final List<DeviceBuffer> buffers = new ArrayList<>();
    private final List<Tensor> cleared = new ArrayList<>();
    private final List<Tensor> updated = new ArrayList<>();

    /**
     * @param copies of every tensor, for calls to take in turn
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

    /** Whether sizes are those of a look, not of a measurement. */
    boolean tiny() {
        return numbers.tiny();
    }

    Numbers numbers() {
        return numbers;
    }

    /** Some of {@code count} rows, the first and the last among them. */
    int[] sample(long count) {
        int samples = (int) Math.min(SAMPLES, count);
        return IntStream.range(0, samples)
                .map(i -> samples == 1 ? 0 : (int) (i * (count - 1) / (samples - 1)))
                .toArray();
    }

    /** Normal numbers in the shape's type. */
    Tensor normal(double deviation, long count) {
        return normal(dtype(), deviation, count);
    }

    Tensor normal(DType dtype, double deviation, long count) {
        Tensor tensor = empty(dtype, count);
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

    /** Zeros in the shape's type, for results, which may add to them. */
    Tensor zeros(long count) {
        return zeros(dtype(), count);
    }

    Tensor zeros(DType dtype, long count) {
        Tensor tensor = empty(dtype, count);
        device.fill(tensor.base(), 0, tensor.stride() * copies);
        cleared.add(tensor);
        return tensor;
    }

    /** A tensor of this fixture that a call reads and overwrites. */
    Tensor updated(Tensor tensor) {
        updated.add(tensor);
        return tensor;
    }

    /** Of zeros: what was computed into them beforehand, and calls leave as it is. */
    void computed(Tensor... tensors) {
        cleared.removeAll(List.of(tensors));
    }

    /** Zeros that calls write, or add to. */
    List<Tensor> cleared() {
        return List.copyOf(cleared);
    }

    /** What calls write. */
    List<Tensor> results() {
        List<Tensor> results = new ArrayList<>(cleared);
        results.addAll(updated);
        return results;
    }

    /** Keeps the first copies of what calls overwrite as they are now. */
    Restored restored() {
        return new Restored();
    }

    /** What calls overwrite, to be put back; results begin at 0 again. */
    final class Restored implements AutoCloseable {
        private final List<DeviceBuffer> kept = new ArrayList<>();

        private Restored() {
            for (Tensor tensor : updated) {
                DeviceBuffer copy = device.allocate(tensor.bytes());
                kept.add(copy);
                device.copy(copy.address(), tensor.base(), tensor.bytes());
            }
        }

        void restore() {
            for (Tensor tensor : cleared) {
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

    Tensor ints(int... values) {
        Tensor tensor = empty(DType.F32, values.length);
        for (int copy = 0; copy < copies; copy++) {
            device.upload(tensor.at(copy), values);
        }
        return tensor;
    }

    /** Random indices below {@code end}. */
    Tensor indices(int count, int end) {
        return ints(numbers.indices(count, end));
    }

    Tensor floats(float... values) {
        Tensor tensor = empty(DType.F32, values.length);
        for (int copy = 0; copy < copies; copy++) {
            device.upload(tensor.at(copy), values);
        }
        return tensor;
    }

    /** Scratch of that many bytes; 0 where there are none. */
    long workspace(long bytes) {
        return bytes == 0 ? 0 : allocate(bytes).address();
    }

    private Tensor empty(DType dtype, long count) {
        long stride = (count * dtype.bytes() + 255) & -256;
        return new Tensor(device, allocate(stride * copies).address(), stride, copies, count, dtype);
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
