package org.dpo4j.kernels.internal;

import static org.bytedeco.cuda.global.cudart.cudaFree;
import static org.bytedeco.cuda.global.cudart.cudaFreeHost;
import static org.bytedeco.cuda.global.cudart.cudaGetLastError;
import static org.bytedeco.cuda.global.cudart.cudaHostAlloc;
import static org.bytedeco.cuda.global.cudart.cudaHostAllocDefault;
import static org.bytedeco.cuda.global.cudart.cudaMalloc;
import static org.bytedeco.cuda.global.cudart.cudaMemGetInfo;
import static org.bytedeco.cuda.global.cudart.cudaStreamCreateWithFlags;
import static org.bytedeco.cuda.global.cudart.cudaStreamNonBlocking;

import org.bytedeco.cuda.cudart.CUstream_st;
import org.bytedeco.javacpp.SizeTPointer;
import org.dpo4j.kernels.Dpo4jException;

/**
 * Calls of the CUDA runtime with detailed errors. This class, like all that use the JavaCPP presets, may be loaded only
 * after {@link CudaLibraries#load}. No class may call a function that is newer than CUDA 13.0: with an older runtime
 * that would end the process.
 */
final class CudaRuntime {
    private static final int FAILURE_BYTES = 640;

    private CudaRuntime() {}

    /**
     * Makes the exception for a call that returned a nonzero cudaError_t; {@code call} names the call and its sizes. If
     * no CUDA call of the process can succeed any more, the message names the first error that caused this, and says to
     * restart.
     */
    static Dpo4jException failure(int error, String call) {
        cudaGetLastError(); // clears the error: else the next caller of the runtime in this process would get it
        byte[] text = new byte[FAILURE_BYTES];
        Native.dpo4j_cuda_describe_failure(error, call, text, text.length);
        return new Dpo4jException(Status.text(text));
    }

    static void check(int error, String call) {
        if (error != 0) {
            throw failure(error, call);
        }
    }

    static long allocate(long bytes, int ordinal) {
        Address address = new Address(0);
        int error = cudaMalloc(address, Math.max(bytes, 1));
        if (error == 0) {
            return address.address();
        }
        Dpo4jException failure = failure(error, "cudaMalloc of " + bytes + " bytes on device " + ordinal);
        try (SizeTPointer free = new SizeTPointer(1);
                SizeTPointer total = new SizeTPointer(1)) {
            if (cudaMemGetInfo(free, total) != 0) {
                throw failure;
            }
            throw new Dpo4jException(failure.getMessage() + ": " + free.get() + " of " + total.get()
                    + " bytes are free: use smaller batches or a smaller model");
        }
    }

    /** Free memory of the current device. */
    static long freeBytes() {
        try (SizeTPointer free = new SizeTPointer(1);
                SizeTPointer total = new SizeTPointer(1)) {
            check(cudaMemGetInfo(free, total), "cudaMemGetInfo");
            return free.get();
        }
    }

    /** All memory of the current device. */
    static long totalBytes() {
        try (SizeTPointer free = new SizeTPointer(1);
                SizeTPointer total = new SizeTPointer(1)) {
            check(cudaMemGetInfo(free, total), "cudaMemGetInfo");
            return total.get();
        }
    }

    /** Returns the cudaError_t. */
    static int free(long address) {
        return cudaFree(new Address(address));
    }

    /** Allocates pinned host memory, from which copies are asynchronous. */
    static long allocatePinned(long bytes) {
        Address address = new Address(0);
        check(cudaHostAlloc(address, bytes, cudaHostAllocDefault), "cudaHostAlloc of " + bytes + " bytes");
        return address.address();
    }

    /** Returns the cudaError_t. */
    static int freePinned(long address) {
        return cudaFreeHost(new Address(address));
    }

    /** Creates a stream that does not synchronise with the default stream. */
    static CUstream_st createStream() {
        CUstream_st stream = new CUstream_st();
        check(cudaStreamCreateWithFlags(stream, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
        return stream;
    }
}
