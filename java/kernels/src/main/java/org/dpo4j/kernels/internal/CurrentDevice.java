package org.dpo4j.kernels.internal;

import static org.bytedeco.cuda.global.cudart.cudaGetDevice;
import static org.bytedeco.cuda.global.cudart.cudaSetDevice;

/**
 * Makes a device the thread's current one. {@link #close} restores the device that was current before, because other
 * libraries in the process depend on it. Sets the device even if it is already current, because a new thread has no
 * CUDA context yet.
 */
final class CurrentDevice implements AutoCloseable {
    private final int ordinal;
    private final int before;

    CurrentDevice(int ordinal) {
        this.ordinal = ordinal;
        int[] current = new int[1];
        CudaRuntime.check(cudaGetDevice(current), "cudaGetDevice");
        before = current[0];
        CudaRuntime.check(cudaSetDevice(ordinal), "cudaSetDevice to " + ordinal);
    }

    /** Ignores errors: if cudaSetDevice fails here, an earlier call has failed with the same error. */
    @Override
    public void close() {
        if (before != ordinal) {
            cudaSetDevice(before);
        }
    }
}
