package org.dpo4j.kernels;

import java.nio.ByteBuffer;

/**
 * A processor, its memory and one queue of work.
 *
 * <p>Addresses are raw 64-bit addresses in the device's memory: those of {@link #allocate}, or anybody else's (a tensor
 * of another library on the same device). Nothing checks that an address is what the caller says. Work runs in the
 * order it was given; on {@code cpu} it is done when the call returns, on {@code cuda} it is queued on {@link #stream}.
 *
 * <p>A thread's current CUDA device is after every call what it was before.
 *
 * <p>Threading: one thread at a time may use a device. Two devices, also two on one GPU, may be used by two threads.
 *
 * <p>Ownership: buffers belong to the caller and are closed before the device. {@link #close} may be called twice;
 * every other call after it throws. Not for implementation outside this library.
 */
public interface Device extends AutoCloseable {

    /** {@code "cpu"} or {@code "cuda"}. */
    String name();

    /** The processor's name, the same for every device on a processor of its kind. */
    String processor();

    /** One line for a run header: the processor's name, and what of it is used. */
    String description();

    /** Address of the {@code dpo4j_context}, for callers of the C interface. */
    long context();

    /** The {@code cudaStream_t} that work is queued on; 0 on {@code cpu}. */
    long stream();

    /** Whether tensors of a model can be stored here in this type. Logits are taken in every type: {@link TokenLogProb}. */
    boolean supports(DType dtype);

    /**
     * Memory of at least {@code bytes} bytes, aligned to 256. Contents undefined. Throws when there is not enough,
     * naming both sizes.
     */
    DeviceBuffer allocate(long bytes);

    /** Bytes allocated through this device and not yet closed. */
    long allocatedBytes();

    /** The largest value {@link #allocatedBytes} has had. */
    long peakAllocatedBytes();

    /** Bytes that could be allocated now, as the driver or the system says it: others may take them too. */
    long availableBytes();

    /**
     * Copies the remaining bytes of a direct buffer to the device and moves its position to its limit. The buffer may
     * be changed as soon as this returns.
     */
    void upload(long destination, ByteBuffer source);

    /** Waits for all queued work, then copies to a direct buffer from its position until it is full. */
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

    /** Copies between two places that do not overlap. */
    void copy(long destination, long source, long bytes);

    /** Sets bytes to the low 8 bits of {@code value}. */
    void fill(long destination, int value, long bytes);

    /**
     * {@code c = op(a) op(b) + (accumulate ? c : 0)}, accumulated in fp32; {@code shape} says what each is.
     */
    void matmul(long c, long a, long b, MatmulShape shape, boolean accumulate);

    /** Waits until all queued work is done, and throws what it failed with. */
    void synchronize();

    /**
     * Queues what {@code work} queues, waits until it is done, and returns the microseconds that it took the device:
     * between two events of the stream on {@code cuda}, by the clock of the host on {@code cpu}. Refused in a {@link
     * #capture}.
     */
    double microseconds(Runnable work);

    /**
     * Whether there is {@link #capture}: on {@code cuda}, whose launches cost time of the host, but not on the legacy
     * default stream, of which CUDA captures nothing.
     */
    boolean captures();

    /**
     * Keeps what {@code work} queues on this device, instead of running it. It must have been run before, so that
     * nothing is allocated or loaded for the first time; and only queue: uploads, downloads, waiting, allocating and
     * closing of buffers are refused. Throws then, or what {@code work} throws, and the
     * device is as it was. The addresses that the work uses must be there whenever it is launched.
     */
    Graph capture(Runnable work);

    @Override
    void close();

    /**
     * Work that was {@link #capture captured}, to be queued again by one call. Its kernels, sizes and addresses are those
     * of the capture; what lies at the addresses is read when it runs. Closing twice is allowed; it does not wait for
     * work that runs.
     */
    interface Graph extends AutoCloseable {

        /** Queues the work, after all that is queued. */
        void launch();

        @Override
        void close();
    }
}
