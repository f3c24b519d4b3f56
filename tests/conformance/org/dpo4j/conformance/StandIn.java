package org.dpo4j.conformance;

/** The stand-ins for NVIDIA's libraries, which must be loaded: device {@code emulated}. What a program has asked of them, and how they answer. */
public final class StandIn {
    /** What is counted, in the order of {@code dpo4j_standin_event}. */
    public enum Event {
        WAITS,
        ALLOCATIONS,
        LAUNCHES,
        CAPTURES,
        GRAPH_LAUNCHES,
        HEURISTICS,
        UNORDERED_SUMS
    }

    private StandIn() {}

    private static native long counted(int event);

    /** How many devices there are from now on, of one kind: 1, as at the beginning, or 2. */
    public static native void setDevices(int count);

    /** The device whose memory an address is in, -1 for none's. */
    public static native int deviceOf(long address);

    /** Every call fails with this cudaError_t from now on, as after a fault on a device; 0 repairs it, which no device can. */
    public static native void fail(int error);

    /** How many so far in this process. */
    public static long counted(Event event) {
        return counted(event.ordinal());
    }

    /** How many of these {@code work} makes. */
    public static long count(Event event, Runnable work) {
        long before = counted(event);
        work.run();
        return counted(event) - before;
    }
}
