package org.dpo4j.conformance;

/** How often a program has asked something of the stand-ins for NVIDIA's libraries, which must be loaded: device {@code emulated}. */
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
