package org.dpo4j.kernels.internal;

import static org.bytedeco.cuda.global.cudart.cudaMemcpyAsync;
import static org.bytedeco.cuda.global.cudart.cudaMemcpyDeviceToDevice;
import static org.bytedeco.cuda.global.cudart.cudaMemcpyDeviceToHost;
import static org.bytedeco.cuda.global.cudart.cudaMemsetAsync;
import static org.bytedeco.cuda.global.cudart.cudaStreamDestroy;
import static org.bytedeco.cuda.global.cudart.cudaStreamSynchronize;

import java.nio.ByteBuffer;
import java.util.List;
import java.util.Locale;
import org.bytedeco.cuda.cudart.CUstream_st;
import org.bytedeco.javacpp.BytePointer;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.DeviceBuffer;
import org.dpo4j.kernels.DeviceReport;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.kernels.MatmulShape;
import org.jspecify.annotations.Nullable;

/** An NVIDIA GPU and a stream. {@link CudaProbe#require} must return before this class is loaded. */
public final class CudaDevice implements Device {
    private final int ordinal;
    private final DeviceReport.Gpu gpu;
    private final CUstream_st stream;
    private final boolean ownsStream;
    private final CudaSettings settings;
    private final UploadRing uploads;
    private final MemoryCount memory = new MemoryCount();
    private @Nullable CudaMatmul matmul;
    private long context;
    private boolean isCapturing;
    private long nominalRows = MatmulRules.NOMINAL_ROWS;

    private CudaDevice(
            DeviceReport.Gpu gpu,
            CUstream_st stream,
            boolean ownsStream,
            CudaSettings settings,
            UploadRing uploads,
            long context) {
        this.ordinal = gpu.ordinal();
        this.gpu = gpu;
        this.stream = stream;
        this.ownsStream = ownsStream;
        this.settings = settings;
        this.uploads = uploads;
        this.context = context;
    }

    /** Opens a GPU with a new stream and the settings of the process. */
    public static CudaDevice open(int ordinal) {
        return open(ordinal, CudaSettings.fromProcess());
    }

    /** Opens a GPU with a new stream. */
    public static CudaDevice open(int ordinal, CudaSettings settings) {
        DeviceReport.Gpu gpu = CudaProbe.require(ordinal);
        try (CurrentDevice current = new CurrentDevice(ordinal)) {
            return open(gpu, CudaRuntime.createStream(), true, settings);
        }
    }

    /** Opens a GPU on a {@code cudaStream_t} that the caller closes after the device; 0 is the default stream. */
    public static CudaDevice open(int ordinal, long stream) {
        DeviceReport.Gpu gpu = CudaProbe.require(ordinal);
        try (CurrentDevice current = new CurrentDevice(ordinal)) {
            return open(gpu, new CUstream_st(new Address(stream)), false, CudaSettings.fromProcess());
        }
    }

    private static CudaDevice open(
            DeviceReport.Gpu gpu, CUstream_st stream, boolean ownsStream, CudaSettings settings) {
        long[] context = new long[1];
        try {
            create(context, gpu.ordinal(), stream, settings);
            return new CudaDevice(gpu, stream, ownsStream, settings, new UploadRing(stream), context[0]);
        } catch (Dpo4jException e) {
            Native.dpo4j_context_destroy(context[0]);
            if (ownsStream) {
                cudaStreamDestroy(stream);
            }
            throw e;
        }
    }

    private static void create(long[] context, int ordinal, CUstream_st stream, CudaSettings settings) {
        String refusal = settings.refusal();
        if (refusal != null) {
            throw new Dpo4jException("cuda cannot be used: " + refusal);
        }
        byte[] text = new byte[Status.TEXT_BYTES];
        int status = Native.dpo4j_cuda_context_create(
                context, ordinal, stream.address(), settings.without(), settings.residentClusters(), text, text.length);
        if (status != 0) {
            throw new Dpo4jException("cuda: no context on device " + ordinal + ": " + Status.text(text));
        }
    }

    /** Makes this device the thread's current one until the result is closed. Throws if the device is closed. */
    CurrentDevice current() {
        context();
        return new CurrentDevice(ordinal);
    }

    /** For calls that a replay of the graph would not repeat, or would repeat with memory that has changed. */
    private void refuseInCapture(String call) {
        if (isCapturing) {
            throw new Dpo4jException(call + " is not allowed during graph capture: do it before or after");
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
        List<String> off = settings.kernelsOff();
        return String.format(
                Locale.ROOT,
                "%s, device %d, compute capability %s, %.1f GiB%s",
                gpu.name(),
                ordinal,
                gpu.capability(),
                gpu.memoryBytes() / (double) (1 << 30),
                off.isEmpty() ? "" : ", without " + String.join(", ", off));
    }

    @Override
    public String arithmetic() {
        return String.join(
                ", ",
                name(),
                gpu.name(),
                gpu.capability(),
                "without " + settings.kernelsOff(),
                "resident " + settings.residentClusters(),
                "cuBLASLt " + LibraryVersions.libraryVersion(CudaLibraries.CUBLASLT),
                "dpo4j " + NativeLibrary.hash());
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
        try (CurrentDevice current = current()) {
            refuseInCapture("allocate");
            Allocation.checkSize(bytes);
            long address = CudaRuntime.allocate(bytes, ordinal);
            return new Allocation(address, bytes, memory, () -> release(address));
        }
    }

    /** Waits for the stream, which may still use the memory, unless the device is closed. */
    private void release(long address) {
        refuseInCapture("closing a buffer");
        try (CurrentDevice current = new CurrentDevice(ordinal)) {
            int waited = context == 0 ? 0 : cudaStreamSynchronize(stream);
            int freed = CudaRuntime.free(address);
            CudaRuntime.check(waited, "cudaStreamSynchronize before closing a buffer");
            CudaRuntime.check(freed, "cudaFree");
        }
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
        try (CurrentDevice current = current()) {
            return CudaRuntime.freeBytes();
        }
    }

    @Override
    public long totalBytes() {
        try (CurrentDevice current = current()) {
            return CudaRuntime.totalBytes();
        }
    }

    @Override
    public void upload(long destination, ByteBuffer source) {
        try (CurrentDevice current = current()) {
            refuseInCapture("upload");
            DirectBuffers.remaining("upload", source);
            uploads.upload(destination, source);
        }
    }

    @Override
    public void download(ByteBuffer destination, long source) {
        try (CurrentDevice current = current()) {
            refuseInCapture("download");
            ByteBuffer bytes = DirectBuffers.remaining("download", destination);
            long count = bytes.remaining();
            if (count == 0) {
                return;
            }
            int error =
                    cudaMemcpyAsync(new BytePointer(bytes), new Address(source), count, cudaMemcpyDeviceToHost, stream);
            if (error == 0) {
                error = cudaStreamSynchronize(stream);
            }
            if (error != 0) {
                throw CudaRuntime.failure(error, "cudaMemcpyAsync of " + count + " bytes from the device");
            }
            destination.position(destination.limit());
        }
    }

    @Override
    public void copy(long destination, long source, long bytes) {
        try (CurrentDevice current = current()) {
            int error = cudaMemcpyAsync(
                    new Address(destination), new Address(source), bytes, cudaMemcpyDeviceToDevice, stream);
            if (error != 0) {
                throw CudaRuntime.failure(error, "cudaMemcpyAsync of " + bytes + " bytes on the device");
            }
        }
    }

    @Override
    public void fill(long destination, int value, long bytes) {
        try (CurrentDevice current = current()) {
            int error = cudaMemsetAsync(new Address(destination), value, bytes, stream);
            if (error != 0) {
                throw CudaRuntime.failure(error, "cudaMemsetAsync of " + bytes + " bytes");
            }
        }
    }

    @Override
    public void matmul(long c, long a, long b, MatmulShape shape, boolean accumulate) {
        matmul(c, a, b, MatmulRules.NO_BIAS, shape, accumulate);
    }

    @Override
    public void matmul(long c, long a, long b, long bias, MatmulShape shape) {
        MatmulRules.checkBias(shape, bias);
        matmul(c, a, b, bias, shape, false);
    }

    private void matmul(long c, long a, long b, long bias, MatmulShape shape, boolean accumulate) {
        try (CurrentDevice current = current()) {
            MatmulRules.check(shape, c, a, b);
            if (shape.m() == 0 || shape.n() == 0 || (shape.k() == 0 && accumulate)) {
                return;
            }
            if (shape.k() == 0) {
                setRows(c, bias, shape);
                return;
            }
            if (matmul == null) {
                matmul = new CudaMatmul(stream, ordinal);
            }
            matmul.multiply(new CudaMatmul.Addresses(c, a, b, bias), shape, accumulate, nominalRows);
        }
    }

    @Override
    public void withFewRows(Runnable work) {
        long before = nominalRows;
        nominalRows = MatmulRules.FEW_ROWS;
        try {
            work.run();
        } finally {
            nominalRows = before;
        }
    }

    /** The product over no elements, with or without bias. */
    private void setRows(long c, long bias, MatmulShape shape) {
        int bytes = shape.output().bytes();
        for (long row = 0; row < shape.m(); row++) {
            long at = c + row * shape.strides().c() * bytes;
            if (bias == MatmulRules.NO_BIAS) {
                fill(at, 0, shape.n() * bytes);
            } else {
                copy(at, bias, shape.n() * bytes);
            }
        }
    }

    @Override
    public void synchronize() {
        try (CurrentDevice current = current()) {
            refuseInCapture("synchronize");
            int error = cudaStreamSynchronize(stream);
            if (error != 0) {
                throw CudaRuntime.failure(error, "cudaStreamSynchronize");
            }
        }
    }

    @Override
    public double microseconds(Runnable work) {
        refuseInCapture("microseconds");
        try (CudaEvents events = new CudaEvents(this::current, stream)) {
            events.begin();
            work.run();
            return events.end();
        }
    }

    /** False on the legacy default stream (0, or cudaStreamLegacy, which is 1): CUDA cannot capture it. */
    @Override
    public boolean supportsGraphs() {
        return stream() > 1;
    }

    @Override
    public Graph capture(Runnable work) {
        if (!supportsGraphs()) {
            throw new Dpo4jException("capture: this device is on the legacy default stream, which CUDA cannot capture:"
                    + " open the device on another stream");
        }
        refuseInCapture("capture");
        isCapturing = true;
        try {
            return CudaGraph.capture(this::current, stream, work);
        } finally {
            isCapturing = false;
        }
    }

    /** Frees everything, also after a failure; throws the first failure. */
    @Override
    public void close() {
        if (context == 0) {
            return;
        }
        refuseInCapture("closing the device");
        Native.dpo4j_context_destroy(context);
        context = 0;
        try (CurrentDevice current = new CurrentDevice(ordinal);
                Closing own = this::destroyStream;
                CudaMatmul products = matmul;
                UploadRing ring = uploads) {
            CudaRuntime.check(cudaStreamSynchronize(stream), "cudaStreamSynchronize before closing the device");
        }
    }

    private void destroyStream() {
        if (ownsStream) {
            CudaRuntime.check(cudaStreamDestroy(stream), "cudaStreamDestroy");
        }
    }

    /** An {@link AutoCloseable} without checked exceptions. */
    private interface Closing extends AutoCloseable {
        @Override
        void close();
    }
}
