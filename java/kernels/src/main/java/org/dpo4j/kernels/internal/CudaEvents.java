package org.dpo4j.kernels.internal;

import static org.bytedeco.cuda.global.cudart.cudaEventCreate;
import static org.bytedeco.cuda.global.cudart.cudaEventDestroy;
import static org.bytedeco.cuda.global.cudart.cudaEventElapsedTime;
import static org.bytedeco.cuda.global.cudart.cudaEventRecord;
import static org.bytedeco.cuda.global.cudart.cudaEventSynchronize;

import java.util.function.Supplier;
import org.bytedeco.cuda.cudart.CUevent_st;
import org.bytedeco.cuda.cudart.CUstream_st;

/** Two CUDA events of a stream, and the time between them. {@code device} makes the stream's device current. */
final class CudaEvents implements AutoCloseable {
    private final Supplier<CurrentDevice> device;
    private final CUstream_st stream;
    private final CUevent_st first;
    private final CUevent_st last;

    CudaEvents(Supplier<CurrentDevice> device, CUstream_st stream) {
        this.device = device;
        this.stream = stream;
        try (CurrentDevice current = device.get()) {
            first = create();
            try {
                last = create();
            } catch (RuntimeException e) {
                cudaEventDestroy(first);
                throw e;
            }
        }
    }

    private static CUevent_st create() {
        CUevent_st event = new CUevent_st();
        CudaRuntime.check(cudaEventCreate(event), "cudaEventCreate");
        return event;
    }

    void begin() {
        try (CurrentDevice current = device.get()) {
            CudaRuntime.check(cudaEventRecord(first, stream), "cudaEventRecord");
        }
    }

    /** Waits for the work since {@link #begin}, and returns its time in microseconds. */
    double end() {
        try (CurrentDevice current = device.get()) {
            CudaRuntime.check(cudaEventRecord(last, stream), "cudaEventRecord");
            CudaRuntime.check(cudaEventSynchronize(last), "cudaEventSynchronize after timed work");
            float[] milliseconds = new float[1];
            CudaRuntime.check(cudaEventElapsedTime(milliseconds, first, last), "cudaEventElapsedTime");
            return 1e3 * milliseconds[0];
        }
    }

    /** Ignores errors: {@link #end} reports those of the timed work. */
    @Override
    public void close() {
        cudaEventDestroy(first);
        cudaEventDestroy(last);
    }
}
