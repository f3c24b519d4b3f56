package org.dpo4j.kernels.internal;

import static org.bytedeco.cuda.global.cudart.cudaGetDevice;
import static org.bytedeco.cuda.global.cudart.cudaSetDevice;

/**
 * Makes a device the thread's current one until it is closed, and then the one that the caller had: other libraries in
 * the process depend on theirs. The device is set also where it is current already, since a new thread has no context of
 * its device yet.
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

    /** Fails only after the work has failed with an error that every later call repeats. */
    @Override
    public void close() {
        if (before != ordinal) {
            cudaSetDevice(before);
        }
    }
}
