package org.dpo4j.kernels.internal;

import static org.bytedeco.cuda.global.cudart.cudaEventCreateWithFlags;
import static org.bytedeco.cuda.global.cudart.cudaEventDestroy;
import static org.bytedeco.cuda.global.cudart.cudaEventDisableTiming;
import static org.bytedeco.cuda.global.cudart.cudaEventRecord;
import static org.bytedeco.cuda.global.cudart.cudaEventSynchronize;
import static org.bytedeco.cuda.global.cudart.cudaMemcpyAsync;
import static org.bytedeco.cuda.global.cudart.cudaMemcpyHostToDevice;

import java.nio.ByteBuffer;
import org.bytedeco.cuda.cudart.CUevent_st;
import org.bytedeco.cuda.cudart.CUstream_st;
import org.dpo4j.kernels.Dpo4jException;

/**
 * Uploads that do not wait for the stream. {@link #upload} copies to pinned memory, and queues an asynchronous copy
 * from there to the device. It does not copy from the caller's memory directly, because a device that can access
 * pageable memory could read it after the call has returned and the caller has changed it.
 *
 * <p>The pinned memory has two halves. A half is used again after the copies from it have finished. The host waits for
 * them only if it is half a ring ahead of the device.
 */
final class UploadRing implements AutoCloseable {
    private static final int HALF_BYTES = 4 << 20;

    private final CUstream_st stream;
    private final long memory;
    private final CUevent_st[] copied = {new CUevent_st(), new CUevent_st()};
    private int half;
    private int used;

    UploadRing(CUstream_st stream) {
        this.stream = stream;
        memory = CudaRuntime.allocatePinned(2L * HALF_BYTES);
        try {
            for (CUevent_st event : copied) {
                CudaRuntime.check(cudaEventCreateWithFlags(event, cudaEventDisableTiming), "cudaEventCreateWithFlags");
            }
        } catch (Dpo4jException e) {
            close();
            throw e;
        }
    }

    void upload(long destination, ByteBuffer source) {
        long to = destination;
        while (source.hasRemaining()) {
            if (used == HALF_BYTES) {
                switchHalf();
            }
            int bytes = Math.min(source.remaining(), HALF_BYTES - used);
            long pinned = memory + (long) half * HALF_BYTES + used;
            Native.dpo4j_host_copy(pinned, source.slice(), bytes);
            int error = cudaMemcpyAsync(new Address(to), new Address(pinned), bytes, cudaMemcpyHostToDevice, stream);
            if (error != 0) {
                throw CudaRuntime.failure(error, "cudaMemcpyAsync of " + bytes + " bytes to the device");
            }
            source.position(source.position() + bytes);
            used += bytes;
            to += bytes;
        }
    }

    private void switchHalf() {
        CudaRuntime.check(cudaEventRecord(copied[half], stream), "cudaEventRecord");
        half = 1 - half;
        used = 0;
        CudaRuntime.check(cudaEventSynchronize(copied[half]), "cudaEventSynchronize after an upload");
    }

    /** Frees everything, also after a failure; throws the first failure. The stream must have no copies left. */
    @Override
    public void close() {
        int destroyed = 0;
        for (CUevent_st event : copied) {
            if (!event.isNull()) {
                int error = cudaEventDestroy(event);
                destroyed = destroyed == 0 ? error : destroyed;
            }
        }
        int freed = CudaRuntime.freePinned(memory);
        CudaRuntime.check(destroyed, "cudaEventDestroy");
        CudaRuntime.check(freed, "cudaFreeHost");
    }
}
