package org.dpo4j.kernels;

import java.nio.ByteBuffer;

/**
 * A CPU or a GPU, its memory and one stream of work. Not to be implemented outside this library.
 *
 * <p>An address is a raw 64-bit address of the device's memory, from {@link #allocate} or from another library on the
 * same device. Addresses are not checked. Work runs in the order of the calls. On {@code cpu} it has finished when the
 * call returns; on {@code cuda} the call queues it on {@link #stream}.
 *
 * <p>Threading: only one thread at a time may use a device. Two threads may use two devices, also on the same GPU. A
 * call leaves the thread's current CUDA device as it was.
 *
 * <p>Ownership: buffers belong to the caller, who closes them before the device. {@link #close} may be called twice;
 * after it, every other call throws.
 */
public interface Device extends AutoCloseable {

    /** {@code "cpu"} or {@code "cuda"}. */
    String name();

    /** The model name of the CPU or GPU. */
    String processor();

    /** One line for a run header: the model name, and the threads and instruction set or the GPU that are used. */
    String description();

    /**
     * What the bits of results depend on besides the inputs: kind and model of the processor, instruction set or kernels,
     * the library of matrix products and the build of dpo4j. For results that are kept: they are good for a device of the
     * same text.
     */
    String arithmetic();

    /** The address of the {@code dpo4j_context}, for callers of the C interface. */
    long context();

    /** The {@code cudaStream_t} on which work is queued; 0 on {@code cpu}. */
    long stream();

    /**
     * Whether tensors can be stored in this type. {@link TokenLogProb} accepts logits of every type on every device.
     */
    boolean supports(DType dtype);

    /**
     * Allocates {@code bytes} bytes, aligned to 256, with undefined contents. If there is not enough memory, throws and
     * names the requested and the available bytes.
     */
    DeviceBuffer allocate(long bytes);

    /** Bytes of all open buffers of this device. */
    long allocatedBytes();

    /** The max of {@link #allocatedBytes} so far. */
    long peakAllocatedBytes();

    /** Bytes that the driver or the operating system reports as free. Other processes can use them too. */
    long availableBytes();

    /** All memory of the device, whoever uses it. {@link Long#MAX_VALUE} on cpu. */
    long totalBytes();

    /**
     * Copies the remaining bytes of a direct buffer to the device, and moves the buffer's position to its limit. The
     * buffer may change as soon as this returns.
     */
    void upload(long destination, ByteBuffer source);

    /** Waits for all queued work, then fills the remaining bytes of a direct buffer from the device. */
    void download(ByteBuffer destination, long source);

    /** Copies a whole array to the device. */
    default void upload(long destination, int[] source) {
        Transfers.upload(this::upload, destination, source);
    }

    /** Copies a whole array to the device. */
    default void upload(long destination, float[] source) {
        Transfers.upload(this::upload, destination, source);
    }

    /** Waits for all queued work, then copies {@code count} i32 values to a new array. */
    default int[] downloadInts(long source, int count) {
        return Transfers.downloadInts((address, buffer) -> download(buffer, address), source, count);
    }

    /** Waits for all queued work, then copies {@code count} f32 values to a new array. */
    default float[] downloadFloats(long source, int count) {
        return Transfers.downloadFloats((address, buffer) -> download(buffer, address), source, count);
    }

    /** Waits for all queued work, then copies {@code count} f64 values to a new array. */
    default double[] downloadDoubles(long source, int count) {
        return Transfers.downloadDoubles((address, buffer) -> download(buffer, address), source, count);
    }

    /** Copies between two ranges of device memory that do not overlap. */
    void copy(long destination, long source, long bytes);

    /** Sets each byte to the low 8 bits of {@code value}. */
    void fill(long destination, int value, long bytes);

    /**
     * {@code c = alpha op(a) op(b) + (accumulate ? c : 0)} with fp32 accumulators; {@code shape} defines {@code op} and
     * {@code alpha}.
     */
    void matmul(long c, long a, long b, MatmulShape shape, boolean accumulate);

    /**
     * {@code c = op(a) op(b) + bias}: adds one number per column to every row, before {@code c} is rounded.
     *
     * @param bias [n], of the type of {@code c}
     * @param shape its {@code alpha} is 1
     */
    void matmul(long c, long a, long b, long bias, MatmulShape shape);

    /**
     * Whether {@code matmul} accepts a matrix [rows, columns] in panels as {@code b}; then it is faster than by rows. On {@code cpu}
     * with AVX2 or AVX-512, if {@code rows} and {@code columns} are multiples of 16; bf16 needs avx512_bf16. dpo4j.h has the limits.
     */
    default boolean hasPanels(long rows, long columns, DType dtype) {
        return false;
    }

    /**
     * Stores a contiguous matrix [rows, columns] in panels, in place, for products that read it as {@code b} ({@link
     * MatmulShape#panelsB}). Products then read {@code b} in the order of memory and need not pack it. Their bits stay the
     * same. A panel holds 16 rows, column by column. Nothing else reads panels. Refused unless {@link #hasPanels}.
     */
    default void packPanels(long matrix, long rows, long columns, DType dtype) {
        throw new Dpo4jException("packPanels: device " + name() + " has no panels: check hasPanels first");
    }

    /** Stores a matrix in panels by rows again. */
    default void unpackPanels(long matrix, long rows, long columns, DType dtype) {
        throw new Dpo4jException("unpackPanels: device " + name() + " has no panels: check hasPanels first");
    }

    /**
     * Runs {@code work} with matrix products for few rows: their algorithms are chosen for 64 rows, and otherwise for
     * 4096. For generation, whose steps have one row per sequence. {@link MatmulShape} says which bits are promised. On
     * {@code cpu} all numbers of rows have one way to be summed, so this only runs {@code work}.
     */
    default void withFewRows(Runnable work) {
        work.run();
    }

    /** Waits for all queued work. Throws if it failed. */
    void synchronize();

    /**
     * Runs {@code work}, waits for the work that it queues, and returns its time in microseconds: between two CUDA
     * events of the stream on {@code cuda}, by the host's clock on {@code cpu}. Refused in a {@link #capture}.
     */
    double microseconds(Runnable work);

    /**
     * Whether this device supports CUDA graphs, that is {@link #capture}: false on {@code cpu}, and on the legacy
     * default stream, which CUDA cannot capture.
     */
    boolean supportsGraphs();

    /**
     * Captures what {@code work} queues on this device in a CUDA graph, without running it. Run {@code work} once
     * before, because nothing can be loaded or allocated for the first time in a capture. In a capture, uploads,
     * downloads, waiting, and allocating and closing of buffers are refused. If {@code work} throws, so does this, and
     * the device is as it was. The addresses that the work uses must be valid at every launch.
     */
    Graph capture(Runnable work);

    @Override
    void close();

    /**
     * A CUDA graph: {@link #capture captured} work that one call launches. Its kernels, sizes and addresses are those
     * of the capture; the contents of the addresses are read when it runs. {@link #close} may be called twice, and does
     * not wait for a launch that is still running.
     */
    interface Graph extends AutoCloseable {

        /** Queues the graph on the stream. */
        void launch();

        /** Number of its nodes: kernels, copies and fills. */
        long nodes();

        @Override
        void close();
    }
}
