package org.dpo4j.model;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.DeviceBuffer;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;

/**
 * The weights of a model in one flat buffer of the device, and their gradients in another of the same layout.
 *
 * <p>Every parameter begins at a multiple of {@value FlatLayout#ALIGNMENT} elements, and its rows and columns are
 * padded to {@link PaddedSizes}. The padding is 0 and stays 0. A {@link ParameterTensor} does not contain it. Matrices are first, in {@code [0, decayCount)}, then vectors. Weight decay applies only to the first range,
 * as in transformers' Trainer. Query, key and value projections of a layer are one matrix, and so are gate and up
 * projections. The weights of an {@link Adapter} are another such buffer.
 */
public final class Parameters implements AutoCloseable {
    private final Device device;
    private final DType dtype;
    private final FlatLayout layout;
    private final @Nullable DeviceBuffer weights;
    private final WeightGradients gradients;
    private @Nullable FourBitWeights fourBit;
    /** The matrices that are stored in panels. */
    private final Set<Parameter> panels = new HashSet<>();

    private Parameters(FlatLayout layout, Device device, DType dtype, @Nullable DeviceBuffer weights) {
        this.device = device;
        this.dtype = dtype;
        this.layout = layout;
        this.weights = weights;
        this.gradients = new WeightGradients(device, layout);
    }

    /** Allocates weights for a caller that writes every tensor. What no tensor holds is 0. */
    static Parameters allocate(FlatLayout layout, Device device, DType dtype) {
        if (!device.supports(dtype)) {
            throw new Dpo4jException("device " + device.name() + " does not support " + dtype + " weights; use f32");
        }
        DeviceBuffer weights = device.allocate(layout.count() * dtype.bytes());
        zeroRest(layout, new Staging.Flat(device, weights.address(), dtype));
        return new Parameters(layout, device, dtype, weights);
    }

    /**
     * Zeroes what {@link Staging#upload} of all tensors does not write: padded rows and the gaps between parameters. The
     * whole buffer would be written twice.
     */
    static void zeroRest(FlatLayout layout, Staging.Flat flat) {
        List<long[]> written = new ArrayList<>();
        for (ParameterTensor tensor : layout.tensors()) {
            Placement placement = tensor.placement();
            placement.eachRun((row, offset, rows) ->
                    written.add(new long[] {offset, offset + (long) rows * placement.stride()}));
        }
        written.sort(Comparator.comparingLong(range -> range[0]));
        long end = 0;
        for (long[] range : written) {
            flat.zero(end, range[0]);
            end = range[1];
        }
        flat.zero(end, layout.count());
    }

    /** Parameters with sizes but no memory, for {@link Model#planned}. */
    static Parameters planned(FlatLayout layout, Device device, DType dtype) {
        return new Parameters(layout, device, dtype, null);
    }

    /** Storage of the weights. Gradients are always f32. */
    public DType dtype() {
        return dtype;
    }

    /** The device of the buffers. */
    public Device device() {
        return device;
    }

    /** Number of elements of each buffer, with padding. */
    public long count() {
        return layout.count();
    }

    /** Bytes of the weights. */
    public long bytes() {
        return layout.count() * dtype.bytes() + (fourBit == null ? 0 : fourBit.bytes());
    }

    /** Adds the matrices of {@code layout} that are stored in 4 bits. They are closed with these. */
    Parameters with(FourBitWeights matrices) {
        fourBit = matrices;
        return this;
    }

    /** Whether the matrices of layers are stored in 4 bits. */
    public boolean isFourBit() {
        return fourBit != null;
    }

    /** How the matrices of layers are stored in 4 bits, for a run's header; null if they are not. */
    public @Nullable String fourBitFact() {
        return fourBit == null ? null : fourBit.toString();
    }

    /** Address of a matrix of the model. One of 4 bits is decoded first, and is there until the next one is. */
    long matrix(Parameter parameter) {
        return fourBit != null && fourBit.has(parameter) ? fourBit.decode(parameter) : weight(parameter);
    }

    /** Number of elements with weight decay, at the front; a multiple of {@value FlatLayout#ALIGNMENT}. */
    public long decayCount() {
        return layout.decayCount();
    }

    /** Where each parameter is, in the order of offsets. Between two parameters there may be a gap of zeros. */
    public List<ParameterRange> ranges() {
        List<ParameterRange> ranges = new ArrayList<>();
        for (Parameter each : layout.parameters()) {
            ranges.add(each.range());
        }
        return ranges;
    }

    /** Number of parameters of the model, without padding. */
    public long parameterCount() {
        long stored =
                layout.tensors().stream().mapToLong(ParameterTensor::count).sum();
        return stored + (fourBit == null ? 0 : fourBit.count());
    }

    /** Whether these have sizes but no memory. */
    boolean isPlanned() {
        return weights == null;
    }

    /** Address of the weights. Refused after {@link Model#packMatrices}. */
    public long weights() {
        requireRows();
        return address();
    }

    /** Throws if matrices are stored in panels, which only products of a forward pass read. */
    void requireRows() {
        if (!panels.isEmpty()) {
            throw new Dpo4jException("the matrices of this model are packed for generation (Model.packMatrices), so its"
                    + " weights cannot be read, copied, saved or trained; call unpackMatrices first");
        }
    }

    private long address() {
        if (weights == null) {
            throw new Dpo4jException("the weights of a planned model have no memory; load the model");
        }
        return weights.address();
    }

    /** Stores these matrices in panels where the device multiplies by panels. */
    void packMatrices(List<Parameter> matrices) {
        for (Parameter matrix : matrices) {
            long rows = matrix.rows().paddedSize();
            long columns = matrix.columns().paddedSize();
            if (!panels.contains(matrix) && device.hasPanels(rows, columns, dtype)) {
                device.packPanels(weight(matrix), rows, columns, dtype);
                panels.add(matrix);
            }
        }
    }

    /** Stores all matrices by rows again. */
    void unpackMatrices() {
        for (Parameter matrix : panels) {
            device.unpackPanels(
                    weight(matrix), matrix.rows().paddedSize(), matrix.columns().paddedSize(), dtype);
        }
        panels.clear();
    }

    /** Whether a matrix is stored in panels. */
    boolean hasPanels(Parameter matrix) {
        return panels.contains(matrix);
    }

    /**
     * Address of the f32 gradients. The first call allocates and zeroes them. Between {@link #beginStep} and the next pass, those
     * of matrices hold the gradients of an earlier step.
     */
    public long gradients() {
        return gradients.address();
    }

    /** Allocates and zeroes the gradients, unless the model is only planned. */
    void allocateGradients() {
        if (weights != null) {
            gradients();
        }
    }

    /** Queues a fill of the gradients with 0. */
    public void zeroGradients() {
        gradients.zero();
    }

    /**
     * Queues what {@link #beginStep} needs: a fill with 0 of the gradients to which a pass adds in parts, those of vectors and of
     * embedding tables. It may be part of a CUDA graph.
     */
    public void zeroSums() {
        gradients.zeroSums();
    }

    /**
     * All gradients count as 0 from now on, as after {@link #zeroGradients}, but the first pass of the step overwrites those of
     * matrices. Queues nothing; {@link #zeroSums} comes before.
     */
    public void beginStep() {
        gradients.beginStep();
    }

    /** The gradients, for the blocks. */
    WeightGradients weightGradients() {
        return gradients;
    }

    /** All tensors with their Hugging Face names, in the order of their offsets, without a tied head and those in 4 bits. */
    public List<ParameterTensor> tensors() {
        return layout.tensors();
    }

    /** The tensors that are stored in 4 bits. They can only be read. */
    public List<ParameterTensor> fourBitTensors() {
        return fourBit == null ? List.of() : fourBit.tensors();
    }

    /** The tensor with that name. Throws if there is none. */
    public ParameterTensor tensor(String name) {
        return Stream.concat(layout.tensors().stream(), fourBitTensors().stream())
                .filter(tensor -> tensor.name().equals(name))
                .findFirst()
                .orElseThrow(() -> new Dpo4jException("the model has no tensor " + name));
    }

    /** Writes the weights as f32[count] to a device address, as a master copy. Waits for queued work. */
    public void copyAsF32(long destination) {
        new Staging()
                .download(
                        flatWeights(),
                        0,
                        layout.count(),
                        DType.F32,
                        (begin, floats) -> device.upload(destination + begin * DType.F32.bytes(), floats));
    }

    /** Copies a tensor's weights to the host. Waits for queued work. */
    public float[] readWeights(ParameterTensor tensor) {
        Staging.@Nullable Flat decoded = fourBit == null ? null : fourBit.decoded(tensor);
        if (decoded != null) {
            return readFloats(decoded, tensor.placement());
        }
        return readFloats(flatWeights(), tensor.placement());
    }

    /** Copies a tensor's gradient to the host. Waits for queued work. */
    public float[] readGradient(ParameterTensor tensor) {
        gradients.settle();
        return readFloats(new Staging.Flat(device, gradients(), DType.F32), tensor.placement());
    }

    /** Replaces a tensor's weights, rounded to {@link #dtype}. */
    public void writeWeights(ParameterTensor tensor, float[] values) {
        if (values.length != tensor.count()) {
            throw new Dpo4jException(tensor.name() + " has " + tensor.count() + " elements, not " + values.length);
        }
        if (fourBitTensors().contains(tensor)) {
            throw new Dpo4jException(tensor.name() + " is stored in 4 bits, which cannot be replaced");
        }
        new Staging(values.length).upload(flatWeights(), tensor.placement(), "F32", (begin, destination) -> {
            floats(destination).put(values, (int) begin, destination.remaining() / 4);
            destination.position(destination.limit());
        });
    }

    FlatLayout layout() {
        return layout;
    }

    /** Address of a parameter's weights. */
    long weight(Parameter parameter) {
        return address() + parameter.offset() * dtype.bytes();
    }

    /** Address of a parameter's gradient. */
    long gradient(Parameter parameter) {
        return gradients.address(parameter);
    }

    /** All weights, for {@link Staging}. */
    Staging.Flat flatWeights() {
        return new Staging.Flat(device, weights(), dtype);
    }

    Parameters copy() {
        requireRows();
        Parameters copy = allocate(layout, device, dtype);
        device.copy(copy.weights(), weights(), layout.count() * dtype.bytes());
        return fourBit == null ? copy : copy.with(fourBit.copy());
    }

    private static float[] readFloats(Staging.Flat source, Placement tensor) {
        float[] values = new float[Math.toIntExact(tensor.count())];
        new Staging(values.length)
                .download(
                        source,
                        tensor,
                        DType.F32,
                        (begin, piece) -> floats(piece).get(values, (int) begin, piece.remaining() / 4));
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
        gradients.close();
        if (fourBit != null) {
            fourBit.close();
        }
    }
}
