package org.dpo4j.conformance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;
import java.util.stream.IntStream;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.testkit.Storage;

/**
 * The tensors of one call. {@link #run} runs it, checks what it wrote, and runs it again, which must give the same
 * bits.
 */
final class Tensors implements AutoCloseable {
    private final On on;
    private final List<Tensor> tensors = new ArrayList<>();

    Tensors(On on) {
        this.on = on;
    }

    Tensor input(String name, DType dtype, int rows, int width, double... values) {
        return input(name, dtype, rows, width, width, values);
    }

    Tensor input(String name, DType dtype, int rows, int width, int stride, double... values) {
        return add(name, Tensor.Role.INPUT, Storage.of(dtype), rows, width, stride)
                .set(values);
    }

    /** A tensor of one row with these values. */
    Tensor vector(String name, DType dtype, double... values) {
        return input(name, dtype, 1, values.length, values.length, values);
    }

    /** An index array. */
    Tensor input(String name, int... values) {
        return add(name, Tensor.Role.INPUT, Storage.I32, 1, values.length, values.length)
                .set(Arrays.stream(values).asDoubleStream().toArray());
    }

    Tensor output(String name, DType dtype, int rows, int width) {
        return output(name, dtype, rows, width, width);
    }

    Tensor output(String name, DType dtype, int rows, int width, int stride) {
        return add(name, Tensor.Role.OUTPUT, Storage.of(dtype), rows, width, stride);
    }

    /** A tensor that the call reads and writes, in place or by adding to it. */
    Tensor updated(String name, DType dtype, int rows, int width, double... values) {
        return updated(name, dtype, rows, width, width, values);
    }

    Tensor updated(String name, DType dtype, int rows, int width, int stride, double... values) {
        return add(name, Tensor.Role.UPDATED, Storage.of(dtype), rows, width, stride)
                .set(values);
    }

    /** An i32 array that the call writes. */
    Tensor outputInts(String name, int count) {
        return add(name, Tensor.Role.OUTPUT, Storage.I32, 1, count, count);
    }

    /** Rows of i32 that the call reads and writes. */
    Tensor updatedInts(String name, int rows, int width, int stride, int... values) {
        return add(name, Tensor.Role.UPDATED, Storage.I32, rows, width, stride)
                .set(Arrays.stream(values).asDoubleStream().toArray());
    }

    /** Bytes that the call reads. */
    Tensor inputBytes(String name, byte... values) {
        return add(name, Tensor.Role.INPUT, Storage.BYTE, 1, values.length, values.length)
                .set(doubles(values));
    }

    /** Bytes that the call writes; 0 before. */
    Tensor updatedBytes(String name, int count) {
        return add(name, Tensor.Role.UPDATED, Storage.BYTE, 1, count, count).set(new double[count]);
    }

    private static double[] doubles(byte[] values) {
        return IntStream.range(0, values.length).mapToDouble(i -> values[i]).toArray();
    }

    /** An f64 array to which the call adds. */
    Tensor updatedDoubles(String name, double... values) {
        return add(name, Tensor.Role.UPDATED, Storage.F64, 1, values.length, values.length)
                .set(values);
    }

    Tensor workspace(long bytes) {
        int size = Math.toIntExact(bytes);
        return add("workspace", Tensor.Role.SCRATCH, Storage.BYTE, 1, size, size);
    }

    private Tensor add(String name, Tensor.Role role, Storage storage, int rows, int width, int stride) {
        Tensor tensor = new Tensor(on.device(), name, role, storage, rows, width, stride);
        tensors.add(tensor);
        return tensor;
    }

    /** Runs a call that must be accepted. Afterwards the tensors have its results. */
    void run(Consumer<Device> call) {
        runOnce(on.device(), call);
        tensors.forEach(Tensor::check);
        List<ByteBuffer> first = tensors.stream().map(Tensor::image).toList();
        runOnce(on.again(), call);
        for (int i = 0; i < first.size(); i++) {
            tensors.get(i).sameAs(first.get(i), "when the call is repeated");
        }
    }

    /** Runs a call that must write nothing. */
    void runEmpty(Consumer<Device> call) {
        runOnce(on.device(), call);
        tensors.forEach(Tensor::checkUntouched);
    }

    /**
     * Runs a call that must be refused with a text that names the operation and the argument (or one of several,
     * separated by |). It must write nothing.
     */
    void refused(String operation, String argument, Consumer<Device> call) {
        tensors.forEach(Tensor::upload);
        assertThatThrownBy(() -> call.accept(on.device()))
                .as("%s with a bad %s", operation, argument)
                .isInstanceOf(Dpo4jException.class)
                .message()
                .contains(operation)
                .containsPattern("\\b(" + argument + ")\\b");
        on.device().synchronize();
        tensors.forEach(Tensor::download);
        tensors.forEach(Tensor::checkUntouched);
    }

    private void runOnce(Device device, Consumer<Device> call) {
        tensors.forEach(Tensor::upload);
        on.device().synchronize();
        call.accept(device);
        device.synchronize();
        tensors.forEach(Tensor::download);
    }

    @Override
    public void close() {
        tensors.forEach(Tensor::close);
        assertThat(on.device().allocatedBytes()).as("bytes still allocated").isZero();
    }
}
