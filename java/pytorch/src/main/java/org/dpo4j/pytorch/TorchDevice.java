package org.dpo4j.pytorch;

import java.util.Arrays;
import java.util.Locale;
import org.bytedeco.pytorch.ScalarTypeOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.DeviceType;
import org.bytedeco.pytorch.global.torch.Layout;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Devices;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.kernels.TokenLogProb.Logits;
import org.dpo4j.kernels.TokenLogProb.LogitsGradient;

/**
 * A device of libtorch, and its tensors as the operations of {@code org.dpo4j.kernels} take them: addresses of the
 * tensors' own memory. Nothing is copied and nothing converted; a tensor that a kernel could not use where it lies is
 * refused with a {@link Dpo4jException} that names it and says what to do.
 *
 * <p>Work goes to as many threads as libtorch has on cpu, and to libtorch's current stream on cuda, so that it is in
 * order with libtorch's own.
 *
 * <p>Ownership: tensors stay the caller's. An address is good while its tensor is. Threading: one thread at a time.
 */
public final class TorchDevice implements AutoCloseable {
    private static final int ALIGNMENT = 16;

    private final DeviceType type;
    private final int ordinal;
    private final Device kernels;

    private TorchDevice(DeviceType type, int ordinal, Device kernels) {
        this.type = type;
        this.ordinal = ordinal;
        this.kernels = kernels;
    }

    /** The device a tensor lies on; on cuda with the stream that is current now. */
    public static TorchDevice of(Tensor tensor) {
        if (!tensor.defined()) {
            throw new Dpo4jException("the tensor is undefined, so it is on no device");
        }
        DeviceType type = type(tensor);
        int ordinal = ordinal(tensor);
        return switch (type) {
            case CPU -> new TorchDevice(type, ordinal, Devices.cpu(torch.get_num_threads()));
            case CUDA -> new TorchDevice(type, ordinal, Devices.cuda(ordinal, CurrentCudaStream.of(ordinal)));
            default -> throw new Dpo4jException("tensors on " + type + " are not supported: use cpu or cuda");
        };
    }

    /**
     * The same device for the operations of {@code org.dpo4j.kernels}. Throws where libtorch's current stream is no
     * longer the one that this was opened on.
     */
    public Device kernels() {
        if (type == DeviceType.CUDA && CurrentCudaStream.of(ordinal) != kernels.stream()) {
            throw new Dpo4jException("the current stream of " + this
                    + " has changed since the device was opened: open one for each stream");
        }
        return kernels;
    }

    /**
     * Address of a tensor that a kernel reads: contiguous, aligned to 16 bytes (integers to 4).
     *
     * @param name of the argument, for refusals
     * @param type elements it must have: {@code Float}, {@code Int} or {@code Double} where a kernel says f32, i32, f64
     * @param sizes it must have
     */
    public long read(String name, Tensor tensor, ScalarType type, long... sizes) {
        checkDense(name, tensor, type, sizes);
        return aligned(name, tensor.const_data_ptr().address(), type == ScalarType.Int ? 4 : ALIGNMENT);
    }

    /** As {@link #read}, of a tensor that a kernel writes. It must not be part of a graph. */
    public long written(String name, Tensor tensor, ScalarType type, long... sizes) {
        checkDense(name, tensor, type, sizes);
        if (tensor.requires_grad()) {
            throw new Dpo4jException(name + " requires grad, must not where a kernel writes it: use detach()");
        }
        return aligned(name, tensor.mutable_data_ptr().address(), ALIGNMENT);
    }

    /**
     * Rows of logits, to be read.
     *
     * @param logits {@code [rows, vocabulary]} of {@code Float}, {@code BFloat16} or {@code Half}, columns next to each
     *     other, every row starting on 16 bytes; a {@code narrow} of a wider tensor will do
     */
    public Logits logits(String name, Tensor logits) {
        long stride = checkRows(name, logits);
        long address = aligned(name, logits.const_data_ptr().address(), ALIGNMENT);
        return new Logits(address, logits.size(1), stride, dtype(name, logits));
    }

    /** Rows to write the gradient by logits to: as {@link #logits}, where it must not be part of a graph. */
    public LogitsGradient gradient(String name, Tensor gradient) {
        long stride = checkRows(name, gradient);
        if (gradient.requires_grad()) {
            throw new Dpo4jException(name + " requires grad, must not where a kernel writes it: use detach()");
        }
        long address = aligned(name, gradient.mutable_data_ptr().address(), ALIGNMENT);
        return new LogitsGradient(address, stride, dtype(name, gradient));
    }

    /** New memory of the caller's {@code PointerScope}. */
    Tensor zeros(ScalarType type, long... sizes) {
        try (TensorOptions options = options(type)) {
            return torch.zeros(sizes, options);
        }
    }

    /** New memory of the caller's {@code PointerScope}, laid out as {@code like} is. */
    Tensor emptyRows(Tensor like, long stride) {
        try (TensorOptions options = options(like.scalar_type())) {
            return torch.empty_strided(new long[] {like.size(0), like.size(1)}, new long[] {stride, 1}, options);
        }
    }

    private TensorOptions options(ScalarType scalarType) {
        try (org.bytedeco.pytorch.Device device = new org.bytedeco.pytorch.Device(type, (byte) ordinal);
                TensorOptions untyped = new TensorOptions(device);
                ScalarTypeOptional optional = new ScalarTypeOptional(scalarType)) {
            return untyped.dtype(optional);
        }
    }

    boolean isCpu() {
        return type == DeviceType.CPU;
    }

    /** Closes what the kernels hold; waits for their work. */
    @Override
    public void close() {
        kernels.close();
    }

    /** As libtorch writes it: {@code cpu}, {@code cuda:0}. */
    @Override
    public String toString() {
        return name(type, ordinal);
    }

    private void checkDense(String name, Tensor tensor, ScalarType wanted, long... sizes) {
        checkPlace(name, tensor);
        ScalarType is = tensor.scalar_type().intern();
        if (is != wanted) {
            throw new Dpo4jException(name + " is " + is + ", must be " + wanted + ": convert it with to(ScalarType."
                    + wanted + "), once for all uses");
        }
        long[] own = sizes(tensor);
        if (!Arrays.equals(own, sizes)) {
            throw new Dpo4jException(
                    name + " has sizes " + Arrays.toString(own) + ", must have " + Arrays.toString(sizes));
        }
        if (!tensor.is_contiguous()) {
            throw new Dpo4jException(name + " is not contiguous: use contiguous()");
        }
    }

    /** Returns the elements between rows. */
    private long checkRows(String name, Tensor tensor) {
        checkPlace(name, tensor);
        if (tensor.dim() != 2) {
            throw new Dpo4jException(name + " has sizes " + Arrays.toString(sizes(tensor))
                    + ", must be [rows, vocabulary]: use view(-1, vocabulary)");
        }
        long vocabulary = tensor.size(1);
        if (tensor.size(0) == 0 || vocabulary == 0) {
            throw new Dpo4jException(name + " is empty: sizes " + Arrays.toString(sizes(tensor)));
        }
        if (vocabulary > 1 && tensor.stride(1) != 1) {
            throw new Dpo4jException(name + " has stride " + tensor.stride(1)
                    + " between the columns of a row, must have 1: use contiguous()");
        }
        int inAlignment = ALIGNMENT / dtype(name, tensor).bytes();
        if (tensor.size(0) == 1) {
            return (vocabulary + inAlignment - 1) / inAlignment * inAlignment; // libtorch says anything here
        }
        long stride = tensor.stride(0);
        if (stride < vocabulary) {
            throw new Dpo4jException(name + " has rows " + stride + " elements apart, which overlap: use contiguous()");
        }
        if (stride % inAlignment != 0) {
            throw new Dpo4jException(name + " has rows " + stride + " elements apart, must be a multiple of "
                    + inAlignment + ", so that every row starts on 16 bytes: pad the vocabulary to such a multiple"
                    + " and narrow the logits to it");
        }
        return stride;
    }

    private void checkPlace(String name, Tensor tensor) {
        if (!tensor.defined()) {
            throw new Dpo4jException(name + " is an undefined tensor");
        }
        if (tensor.layout().intern() != Layout.Strided) {
            throw new Dpo4jException(
                    name + " has layout " + tensor.layout().intern() + ", must be strided: use to_dense()");
        }
        DeviceType own = type(tensor);
        if (own != type || ordinal(tensor) != ordinal) {
            throw new Dpo4jException(
                    name + " is on " + name(own, ordinal(tensor)) + ", must be on " + this + ": move it there");
        }
    }

    private static DType dtype(String name, Tensor tensor) {
        return switch (tensor.scalar_type().intern()) {
            case Float -> DType.F32;
            case BFloat16 -> DType.BF16;
            case Half -> DType.F16;
            default ->
                throw new Dpo4jException(
                        name + " is " + tensor.scalar_type().intern() + ", must be Float, BFloat16 or Half");
        };
    }

    private static long aligned(String name, long address, int alignment) {
        if (address % alignment != 0) {
            throw new Dpo4jException(name + " starts " + address % alignment + " bytes after a multiple of " + alignment
                    + ": use clone(), or begin a view on such a multiple");
        }
        return address;
    }

    private static long[] sizes(Tensor tensor) {
        long[] sizes = new long[Math.toIntExact(tensor.dim())];
        Arrays.setAll(sizes, tensor::size);
        return sizes;
    }

    private static DeviceType type(Tensor tensor) {
        try (org.bytedeco.pytorch.Device device = tensor.device()) {
            return device.type().intern();
        }
    }

    /** 0 where the device has no number, as cpu. */
    private static int ordinal(Tensor tensor) {
        try (org.bytedeco.pytorch.Device device = tensor.device()) {
            return Math.max(device.index(), 0);
        }
    }

    private static String name(DeviceType type, int ordinal) {
        return type == DeviceType.CPU ? "cpu" : type.name().toLowerCase(Locale.ROOT) + ":" + ordinal;
    }
}
