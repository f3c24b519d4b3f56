package org.dpo4j.kernels.internal;

import static org.bytedeco.cuda.global.cudart.cudaMemcpyAsync;
import static org.bytedeco.cuda.global.cudart.cudaMemcpyDeviceToDevice;
import static org.bytedeco.cuda.global.cudart.cudaMemcpyDeviceToHost;
import static org.bytedeco.cuda.global.cudart.cudaMemsetAsync;
import static org.bytedeco.cuda.global.cudart.cudaSetDevice;
import static org.bytedeco.cuda.global.cudart.cudaStreamDestroy;
import static org.bytedeco.cuda.global.cudart.cudaStreamSynchronize;

import java.nio.ByteBuffer;
import java.util.Locale;
import org.bytedeco.cuda.cudart.CUstream_st;
import org.bytedeco.javacpp.BytePointer;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.DeviceBuffer;
import org.dpo4j.kernels.DeviceReport;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;

/** One NVIDIA GPU and one stream. Touched only once {@link CudaProbe#require} has returned. */
public final class CudaDevice implements Device {
    private final int ordinal;
    private final DeviceReport.Gpu gpu;
    private final CUstream_st stream;
    private final boolean ownsStream;
    private final UploadRing uploads;
    private final MemoryCount memory = new MemoryCount();
    private @Nullable CudaMatmul matmul;
    private long context;
    private boolean capturing;

    private CudaDevice(DeviceReport.Gpu gpu, CUstream_st stream, boolean ownsStream, UploadRing uploads, long context) {
        this.ordinal = gpu.ordinal();
        this.gpu = gpu;
        this.stream = stream;
        this.ownsStream = ownsStream;
        this.uploads = uploads;
        this.context = context;
    }

    /** On a stream of its own. */
    public static CudaDevice open(int ordinal) {
        DeviceReport.Gpu gpu = CudaProbe.require(ordinal);
        use(ordinal);
        return open(gpu, CudaRuntime.createStream(), true);
    }

    /** On a {@code cudaStream_t} that the caller owns and closes after the device; 0 is the default stream. */
    public static CudaDevice open(int ordinal, long stream) {
        DeviceReport.Gpu gpu = CudaProbe.require(ordinal);
        use(ordinal);
        return open(gpu, new CUstream_st(new Address(stream)), false);
    }

    private static CudaDevice open(DeviceReport.Gpu gpu, CUstream_st stream, boolean ownsStream) {
        long[] context = new long[1];
        try {
            int status = Native.dpo4j_cuda_context_create(context, gpu.ordinal(), stream.address());
            if (status != 0) {
                throw new Dpo4jException("cuda: no context on device " + gpu.ordinal() + " (status " + status + ")");
            }
            return new CudaDevice(gpu, stream, ownsStream, new UploadRing(stream), context[0]);
        } catch (Dpo4jException e) {
            Native.dpo4j_context_destroy(context[0]);
            if (ownsStream) {
                cudaStreamDestroy(stream);
            }
            throw e;
        }
    }

    /** Threads have a current device each, and anybody may have changed this one's. */
    private static void use(int ordinal) {
        CudaRuntime.check(cudaSetDevice(ordinal), "cudaSetDevice to " + ordinal);
    }

    /** Makes this device the thread's; throws when it is closed. */
    void use() {
        context();
        int error = cudaSetDevice(ordinal);
        if (error != 0) {
            throw CudaRuntime.failure(error, "cudaSetDevice to " + ordinal);
        }
    }

    /** A graph would do it once, now, or not again with what it had: an upload's bytes are gone by then. */
    private void outsideCapture(String what) {
        if (capturing) {
            throw new Dpo4jException(what + " is not for a graph: do it before the capture, or after");
        }
    }

    @Override
    public String name() {
        return "cuda";
    }

    @Override
    public String processor() {
        return gpu.name();
    }

    @Override
    public String description() {
        return String.format(
                Locale.ROOT,
                "%s, device %d, compute capability %s, %.1f GiB",
                gpu.name(),
                ordinal,
                gpu.capability(),
                gpu.memoryBytes() / (double) (1 << 30));
    }

    @Override
    public long context() {
        if (context == 0) {
            throw new Dpo4jException("this cuda device is closed");
        }
        return context;
    }

    @Override
    public long stream() {
        context();
        return stream.address();
    }

    @Override
    public boolean supports(DType dtype) {
        return dtype != DType.F16;
    }

    @Override
    public DeviceBuffer allocate(long bytes) {
        use();
        outsideCapture("allocate");
        Allocation.checkSize(bytes);
        long address = CudaRuntime.allocate(bytes, ordinal);
        return new Allocation(address, bytes, memory, () -> release(address));
    }

    /** The stream may still use the memory; after the device's close nothing does. */
    private void release(long address) {
        outsideCapture("closing a buffer");
        use(ordinal);
        int error = context == 0 ? 0 : cudaStreamSynchronize(stream);
        CudaRuntime.free(address);
        CudaRuntime.check(error, "cudaStreamSynchronize before closing a buffer");
    }

    @Override
    public long allocatedBytes() {
        context();
        return memory.current();
    }

    @Override
    public long peakAllocatedBytes() {
        context();
        return memory.peak();
    }

    @Override
    public long availableBytes() {
        use();
        return CudaRuntime.freeBytes();
    }

    @Override
    public void upload(long destination, ByteBuffer source) {
        use();
        outsideCapture("upload");
        DirectBuffers.remaining("upload", source);
        uploads.upload(destination, source);
    }

    @Override
    public void download(ByteBuffer destination, long source) {
        use();
        outsideCapture("download");
        ByteBuffer bytes = DirectBuffers.remaining("download", destination);
        long count = bytes.remaining();
        if (count == 0) {
            return;
        }
        int error = cudaMemcpyAsync(new BytePointer(bytes), new Address(source), count, cudaMemcpyDeviceToHost, stream);
        if (error == 0) {
            error = cudaStreamSynchronize(stream);
        }
        if (error != 0) {
            throw CudaRuntime.failure(error, "cudaMemcpyAsync of " + count + " bytes from the device");
        }
        destination.position(destination.limit());
    }

    @Override
    public void copy(long destination, long source, long bytes) {
        use();
        int error =
                cudaMemcpyAsync(new Address(destination), new Address(source), bytes, cudaMemcpyDeviceToDevice, stream);
        if (error != 0) {
            throw CudaRuntime.failure(error, "cudaMemcpyAsync of " + bytes + " bytes on the device");
        }
    }

    @Override
    public void fill(long destination, int value, long bytes) {
        use();
        int error = cudaMemsetAsync(new Address(destination), value, bytes, stream);
        if (error != 0) {
            throw CudaRuntime.failure(error, "cudaMemsetAsync of " + bytes + " bytes");
        }
    }

    @Override
    public void matmul(
            long c,
            long a,
            long b,
            long m,
            long n,
            long k,
            long strideC,
            long strideA,
            long strideB,
            boolean transposeA,
            boolean transposeB,
            boolean accumulate,
            DType output,
            DType inputs) {
        use();
        MatmulShape shape = new MatmulShape(m, n, k, strideC, strideA, strideB, transposeA, transposeB, output, inputs);
        shape.check(c, a, b);
        if (m == 0 || n == 0 || (k == 0 && accumulate)) {
            return;
        }
        if (k == 0) {
            for (long row = 0; row < m; row++) {
                fill(c + row * strideC * output.bytes(), 0, n * output.bytes());
            }
            return;
        }
        if (matmul == null) {
            matmul = new CudaMatmul(stream, ordinal);
        }
        matmul.multiply(c, a, b, shape, accumulate);
    }

    @Override
    public void synchronize() {
        use();
        outsideCapture("synchronize");
        int error = cudaStreamSynchronize(stream);
        if (error != 0) {
            throw CudaRuntime.failure(error, "cudaStreamSynchronize");
        }
    }

    @Override
    public double microseconds(Runnable work) {
        use();
        outsideCapture("microseconds");
        try (CudaEvents events = new CudaEvents(stream)) {
            events.begin();
            work.run();
            return events.end();
        }
    }

    @Override
    public boolean captures() {
        context();
        return true;
    }

    @Override
    public Graph capture(Runnable work) {
        use();
        outsideCapture("capture");
        capturing = true;
        try {
            return CudaGraph.capture(this, stream, work);
        } finally {
            capturing = false;
        }
    }

    @Override
    public void close() {
        if (context == 0) {
            return;
        }
        outsideCapture("closing the device");
        use();
        int error = cudaStreamSynchronize(stream);
        Native.dpo4j_context_destroy(context);
        context = 0;
        uploads.close();
        if (matmul != null) {
            matmul.close();
        }
        if (ownsStream) {
            CudaRuntime.check(cudaStreamDestroy(stream), "cudaStreamDestroy");
        }
        CudaRuntime.check(error, "cudaStreamSynchronize before closing the device");
    }
}
