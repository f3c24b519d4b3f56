package org.dpo4j.model;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.util.List;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.DeviceBuffer;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;

/**
 * The weights of a model in one flat buffer of the device, and their gradients in another of the same layout.
 *
 * <p>Every parameter begins at a multiple of {@value ParameterLayout#ALIGNMENT} elements; what lies between is 0 and stays 0.
 * Matrices come first, in {@code [0, decayCount)}, vectors after them: AdamW's weight decay takes the first range alone,
 * as transformers' Trainer does. Query, key and value projections of a layer lie as one matrix, and so do gate and up.
 */
public final class Parameters implements AutoCloseable {
    private final Device device;
    private final DType dtype;
    private final ParameterLayout layout;
    private final @Nullable DeviceBuffer weights;
    private @Nullable DeviceBuffer gradients;

    private Parameters(ParameterLayout layout, Device device, DType dtype, @Nullable DeviceBuffer weights) {
        this.device = device;
        this.dtype = dtype;
        this.layout = layout;
        this.weights = weights;
    }

    /** All zero. */
    static Parameters zeros(ParameterLayout layout, Device device, DType dtype) {
        if (!device.supports(dtype)) {
            throw new Dpo4jException("device " + device.name() + " cannot store " + dtype + " weights; choose f32");
        }
        DeviceBuffer weights = device.allocate(layout.count() * dtype.bytes());
        device.fill(weights.address(), 0, layout.count() * dtype.bytes());
        return new Parameters(layout, device, dtype, weights);
    }

    /** Sizes without memory, of any type, for what is asked of a model before there is one. */
    static Parameters planned(ParameterLayout layout, Device device, DType dtype) {
        return new Parameters(layout, device, dtype, null);
    }

    /** Storage of the weights. Gradients are f32 always. */
    public DType dtype() {
        return dtype;
    }

    /** Device the buffers belong to. */
    public Device device() {
        return device;
    }

    /** Elements of each buffer, padding included. */
    public long count() {
        return layout.count();
    }

    /** Elements at the front that take weight decay; a multiple of {@value ParameterLayout#ALIGNMENT}. */
    public long decayCount() {
        return layout.decayCount();
    }

    /** Elements without padding: what a user calls the size of the model. */
    public long parameterCount() {
        return layout.tensors().stream().mapToLong(ParameterTensor::count).sum();
    }

    /** Address of the weights. */
    public long weights() {
        if (weights == null) {
            throw new Dpo4jException("these weights are planned: they have sizes, and no memory");
        }
        return weights.address();
    }

    /** Address of the gradients, f32. Allocated, and zeroed, by the first call. */
    public long gradients() {
        if (gradients == null) {
            gradients = device.allocate(layout.count() * DType.F32.bytes());
            zeroGradients();
        }
        return gradients.address();
    }

    /** Allocates and zeroes the gradients, where the weights are more than a plan. */
    void makeGradients() {
        if (weights != null) {
            gradients();
        }
    }

    /** Queues the zeroing of the gradients. */
    public void zeroGradients() {
        device.fill(gradients(), 0, layout.count() * DType.F32.bytes());
    }

    /** Every tensor under its Hugging Face name, in the order of their offsets; a tied head is not listed. */
    public List<ParameterTensor> tensors() {
        return layout.tensors();
    }

    /** The tensor of that name. */
    public ParameterTensor tensor(String name) {
        return layout.tensors().stream()
                .filter(tensor -> tensor.name().equals(name))
                .findFirst()
                .orElseThrow(() -> new Dpo4jException("the model has no tensor " + name));
    }

    /** Converts the weights to f32[count] at an address of the device: the master copy of bf16 weights. */
    public void copyAsF32(long destination) {
        new Staging()
                .download(
                        device,
                        weights(),
                        dtype,
                        layout.count(),
                        DType.F32,
                        (begin, floats) -> device.upload(destination + begin * DType.F32.bytes(), floats));
    }

    /** Copies a tensor's weights to the host. Waits for queued work. */
    public float[] readWeights(ParameterTensor tensor) {
        return readFloats(weight(tensor.offset()), dtype, tensor.count());
    }

    /** Copies a tensor's gradient to the host. Waits for queued work. */
    public float[] readGradient(ParameterTensor tensor) {
        return readFloats(gradient(tensor.offset()), DType.F32, tensor.count());
    }

    /** Replaces a tensor's weights, rounded to {@link #dtype}. */
    public void writeWeights(ParameterTensor tensor, float[] values) {
        if (values.length != tensor.count()) {
            throw new Dpo4jException(tensor.name() + " has " + tensor.count() + " elements, not " + values.length);
        }
        new Staging(values.length)
                .upload(device, weight(tensor.offset()), dtype, values.length, "F32", (begin, destination) -> {
                    floats(destination).put(values, (int) begin, destination.remaining() / 4);
                    destination.position(destination.limit());
                });
    }

    ParameterLayout layout() {
        return layout;
    }

    /** Address of a parameter's weights. */
    long weight(Parameter parameter) {
        return weight(parameter.offset());
    }

    /** Address of a parameter's gradient. */
    long gradient(Parameter parameter) {
        return gradient(parameter.offset());
    }

    /** Address of the weight at an offset. */
    long weight(long offset) {
        return weights() + offset * dtype.bytes();
    }

    /** Address of the gradient at an offset. */
    long gradient(long offset) {
        return gradients() + offset * DType.F32.bytes();
    }

    Parameters copy() {
        Parameters copy = zeros(layout, device, dtype);
        device.copy(copy.weights(), weights(), layout.count() * dtype.bytes());
        return copy;
    }

    private float[] readFloats(long address, DType stored, long count) {
        float[] values = new float[Math.toIntExact(count)];
        new Staging(count)
                .download(
                        device,
                        address,
                        stored,
                        count,
                        DType.F32,
                        (begin, source) -> floats(source).get(values, (int) begin, source.remaining() / 4));
        return values;
    }

    private static FloatBuffer floats(ByteBuffer bytes) {
        return bytes.order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer();
    }

    @Override
    public void close() {
        if (weights != null) {
            weights.close();
        }
        if (gradients != null) {
            gradients.close();
        }
    }
}
