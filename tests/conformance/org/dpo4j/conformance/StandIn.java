package org.dpo4j.conformance;

/**
 * Controls the stand-ins for NVIDIA's libraries and counts their calls. The device {@code emulated} must be open, so
 * that they are loaded.
 */
public final class StandIn {
    /** Counted events, in the order of {@code dpo4j_standin_event}. */
    public enum Event {
        WAITS,
        ALLOCATIONS,
        LAUNCHES,
        CAPTURES,
        GRAPH_LAUNCHES,
        HEURISTICS,
        UNORDERED_SUMS,
        TENSOR_MAPS,
        OCCUPANCIES,
        INVARIANTS
    }

    private StandIn() {}

    private static native long counted(int event);

    /** Sets the number of equal devices: 1, as at the beginning, or 2. */
    public static native void setDevices(int count);

    /**
     * Sets the bytes of shared memory of an SM, as devices that are opened later see them; 0: those of the device that is
     * emulated. A block may have 1 KiB less.
     */
    public static native void setSharedMemoryOfSm(int bytes);

    /** The device to which the memory at this address belongs; -1 if it is no device memory. */
    public static native int deviceOf(long address);

    /**
     * Makes every later call fail with this cudaError_t, as after a fault on a device. 0 ends that, which is not
     * possible on a device.
     */
    public static native void fail(int error);

    /** Sets the version of cuBLASLt, as {@code cublasLtGetVersion} counts: 131000, as at the beginning, or an older one. */
    public static native void setCublasLtVersion(long version);

    /** Number of these events in this process so far. */
    public static long counted(Event event) {
        return counted(event.ordinal());
    }

    /** Number of these events during {@code work}. */
    public static long count(Event event, Runnable work) {
        long before = counted(event);
        work.run();
        return counted(event) - before;
    }
}
