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
 * A device of libtorch, and the addresses of its tensors for the operations of {@code org.dpo4j.kernels}. Nothing is
 * copied or converted. A tensor that a kernel cannot use in place is refused with a {@link Dpo4jException} that names
 * it and says what to do.
 *
 * <p>On cpu, work uses as many threads as libtorch. On cuda, it is queued on libtorch's current stream, in order with
 * libtorch's own work.
 *
 * <p>Ownership: the caller owns the tensors. An address is valid as long as its tensor. Threading: only one thread at a
 * time may use a device.
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

    /** Opens the device of a tensor; on cuda with the stream that is current now. */
    public static TorchDevice on(Tensor tensor) {
        if (!tensor.defined()) {
            throw new Dpo4jException("the tensor is undefined, so it has no device");
        }
        DeviceType type = type(tensor);
        int ordinal = ordinal(tensor);
        return switch (type) {
            case CPU -> new TorchDevice(type, ordinal, Devices.cpu(torch.get_num_threads()));
            case CUDA -> new TorchDevice(type, ordinal, Devices.cuda(ordinal, CurrentCudaStream.address(ordinal)));
            default -> throw new Dpo4jException("tensors on " + type + " are not supported: use cpu or cuda");
        };
    }

    /**
     * The device for the operations of {@code org.dpo4j.kernels}. Throws if libtorch's current stream has changed since
     * {@link #on}.
     */
    public Device kernels() {
        if (type == DeviceType.CUDA && CurrentCudaStream.address(ordinal) != kernels.stream()) {
            throw new Dpo4jException("the current stream of " + this
                    + " has changed since the device was opened: open one for each stream");
        }
        return kernels;
    }

    /**
     * Returns the address of a tensor that a kernel reads. The tensor must be contiguous and aligned to 16 bytes
     * (integers to 4).
     *
     * @param name name of the argument, for errors
     * @param type required type: {@code Float}, {@code Int} or {@code Double} for f32, i32 or f64
     * @param sizes required sizes
     */
    public long readAddress(String name, Tensor tensor, ScalarType type, long... sizes) {
        checkContiguous(name, tensor, type, sizes);
        return requireAligned(name, tensor.const_data_ptr().address(), type == ScalarType.Int ? 4 : ALIGNMENT);
    }

    /** {@link #readAddress} for a tensor that a kernel writes. It must not require grad. */
    public long writeAddress(String name, Tensor tensor, ScalarType type, long... sizes) {
        checkContiguous(name, tensor, type, sizes);
        if (tensor.requires_grad()) {
            throw new Dpo4jException(name + " requires grad, but a kernel writes it: use detach()");
        }
        return requireAligned(name, tensor.mutable_data_ptr().address(), ALIGNMENT);
    }

    /**
     * Returns logits that a kernel reads.
     *
     * @param name name of the argument, for errors
     * @param logits {@code [rows, vocabulary]} of {@code Float}, {@code BFloat16} or {@code Half}; columns are
     *     contiguous and rows 16-byte aligned, as in a {@code narrow} of a wider tensor
     */
    public Logits logits(String name, Tensor logits) {
        long stride = checkRows(name, logits);
        long address = requireAligned(name, logits.const_data_ptr().address(), ALIGNMENT);
        return new Logits(address, logits.size(1), stride, dtype(name, logits));
    }

    /** {@link #logits} for a gradient that a kernel writes. It must not require grad. */
    public LogitsGradient gradient(String name, Tensor gradient) {
        long stride = checkRows(name, gradient);
        if (gradient.requires_grad()) {
            throw new Dpo4jException(name + " requires grad, but a kernel writes it: use detach()");
        }
        long address = requireAligned(name, gradient.mutable_data_ptr().address(), ALIGNMENT);
        return new LogitsGradient(address, stride, dtype(name, gradient));
    }

    /** Makes a tensor in the caller's {@code PointerScope}. */
    Tensor zeros(ScalarType type, long... sizes) {
        try (TensorOptions options = options(type)) {
            return torch.zeros(sizes, options);
        }
    }

    /** Makes a tensor with the sizes and type of {@code like} in the caller's {@code PointerScope}. */
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

    /** Waits for queued work, and frees the resources of the kernels. */
    @Override
    public void close() {
        kernels.close();
    }

    /** The name in libtorch: {@code cpu}, {@code cuda:0}. */
    @Override
    public String toString() {
        return name(type, ordinal);
    }

    private void checkContiguous(String name, Tensor tensor, ScalarType wanted, long... sizes) {
        checkDevice(name, tensor);
        ScalarType type = tensor.scalar_type().intern();
        if (type != wanted) {
            throw new Dpo4jException(name + " is " + type + ", must be " + wanted + ": convert it with to(ScalarType."
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

    /** Returns the number of elements between rows. */
    private long checkRows(String name, Tensor tensor) {
        checkDevice(name, tensor);
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
        int alignment = ALIGNMENT / dtype(name, tensor).bytes();
        if (tensor.size(0) == 1) {
            return (vocabulary + alignment - 1) / alignment * alignment; // the stride of a single row is arbitrary
        }
        long stride = tensor.stride(0);
        if (stride < vocabulary) {
            throw new Dpo4jException(name + " has rows " + stride + " elements apart, which overlap: use contiguous()");
        }
        if (stride % alignment != 0) {
            throw new Dpo4jException(name + " has rows " + stride + " elements apart, must be a multiple of "
                    + alignment + ", so that every row is 16-byte aligned: pad the vocabulary to such a multiple"
                    + " and narrow the logits to it");
        }
        return stride;
    }

    private void checkDevice(String name, Tensor tensor) {
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

    private static long requireAligned(String name, long address, int alignment) {
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

    /** The number of the tensor's device; 0 if it has none, as cpu. */
    private static int ordinal(Tensor tensor) {
        try (org.bytedeco.pytorch.Device device = tensor.device()) {
            return Math.max(device.index(), 0);
        }
    }

    private static String name(DeviceType type, int ordinal) {
        return type == DeviceType.CPU ? "cpu" : type.name().toLowerCase(Locale.ROOT) + ":" + ordinal;
    }
}
