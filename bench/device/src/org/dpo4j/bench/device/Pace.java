package org.dpo4j.bench.device;

/**
 * How long parts of a benchmark take, in seconds. A slow call is timed in fewer rounds.
 *
 * @param scale of the tensors
 * @param setupSeconds for making tensors, the gate, and choosing the roofline's algorithm
 * @param warmUpSeconds of work before the rounds, so that clock rates are steady
 * @param repeatSeconds for repeating a call, at most a hundred times, to compare the bits of its results
 */
record Pace(
        Scale scale, double setupSeconds, double warmUpSeconds, double repeatSeconds, RoundLimits rounds, Load load) {
    private static final int CALLS = 20;
    private static final int MAX_CALLS = 500;
    private static final double LONG_BLOCK_SECONDS = 0.4;
    /** The speed of a slow disk, to which random weights are written and from which they are read again. */
    private static final double DISK_BYTES_PER_SECOND = 0.5e9;

    /**
     * @param max rounds; in each, every contender has one turn
     * @param seconds of all rounds
     * @param blockSeconds of the calls between two events; at least {@value #CALLS} calls if they are short
     */
    record RoundLimits(int max, double seconds, double blockSeconds) {}

    /**
     * @param idleSeconds idle time before the burst
     * @param burstSeconds time of the work after it
     * @param sustainedSeconds time of continuous work
     */
    record Load(double idleSeconds, double burstSeconds, double sustainedSeconds) {}

    /** For published numbers. */
    static final Pace FULL = new Pace(Scale.GPU, 10, 1, 10, new RoundLimits(30, 20, 5e-3), new Load(1, 0.2, 20));

    /** Every benchmark at one shape or more, in less than eight minutes. */
    static final Pace QUICK = new Pace(Scale.GPU, 5, 0.1, 0.3, new RoundLimits(30, 1.2, 2e-3), new Load(0.2, 0.2, 0.8));

    static final Pace CPU = new Pace(Scale.CPU, 20, 0.5, 1, new RoundLimits(30, 5, 5e-3), new Load(0.2, 0.2, 1));

    /** Checks that benchmarks run. Its times are not measurements. */
    static final Pace LOOK = new Pace(Scale.TINY, 30, 0, 0, new RoundLimits(3, 0.01, 1e-4), new Load(0, 1e-3, 2e-3));

    /**
     * The expected seconds of one benchmark at one shape, if its preparation writes {@code bytesOnDisk} bytes to disk.
     */
    double expectedSeconds(double bytesOnDisk) {
        return setupSeconds
                + bytesOnDisk / DISK_BYTES_PER_SECOND
                + warmUpSeconds
                + repeatSeconds
                + rounds.seconds
                + load.idleSeconds
                + load.burstSeconds
                + load.sustainedSeconds;
    }

    /**
     * The number of calls between two events, if a call takes {@code microseconds}: at least {@value #CALLS}, but fewer
     * if calls are long.
     */
    int calls(double microseconds) {
        double wanted = Math.max(CALLS, Math.min(MAX_CALLS, rounds.blockSeconds * 1e6 / microseconds));
        double longest = Math.min(LONG_BLOCK_SECONDS, Math.max(rounds.blockSeconds, rounds.seconds / 5));
        return (int) Math.max(1, Math.min(wanted, longest * 1e6 / microseconds));
    }
}
