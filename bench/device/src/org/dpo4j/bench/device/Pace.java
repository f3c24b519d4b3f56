package org.dpo4j.bench.device;

/**
 * How long parts of a benchmark take, in seconds. A slow call is timed in fewer rounds.
 *
 * @param scale of the tensors
 * @param setupSeconds that tensors, gate and choice of the roofline's algorithm may take
 * @param warmUpSeconds of work before the rounds, until clocks are steady
 * @param repeatSeconds in which a call is repeated, a hundred times at most, to compare the bits that it leaves
 */
record Pace(
        Scale scale, double setupSeconds, double warmUpSeconds, double repeatSeconds, RoundLimits rounds, Load load) {
    private static final int CALLS = 20;
    private static final int MAX_CALLS = 500;
    private static final double LONG_BLOCK_SECONDS = 0.4;
    /** A slow disk: random weights are written and read again. */
    private static final double DISK_BYTES_PER_SECOND = 0.5e9;

    /**
     * @param max rounds; in each, every contender has one turn
     * @param seconds of all rounds
     * @param blockSeconds of the calls between two events; at least {@value #CALLS} calls where they are short
     */
    record RoundLimits(int max, double seconds, double blockSeconds) {}

    /**
     * @param idleSeconds of rest before the burst
     * @param burstSeconds of the first work after the rest
     * @param sustainedSeconds of work without a rest
     */
    record Load(double idleSeconds, double burstSeconds, double sustainedSeconds) {}

    /** For numbers that are published. */
    static final Pace FULL = new Pace(Scale.GPU, 10, 1, 10, new RoundLimits(30, 20, 5e-3), new Load(1, 0.2, 20));

    /** All benchmarks in about eight minutes. */
    static final Pace QUICK = new Pace(Scale.GPU, 5, 0.1, 0.3, new RoundLimits(30, 1.2, 2e-3), new Load(0.2, 0.2, 0.8));

    static final Pace CPU = new Pace(Scale.CPU, 20, 0.5, 1, new RoundLimits(30, 5, 5e-3), new Load(0.2, 0.2, 1));

    /** To see benchmarks run: no measurement. */
    static final Pace LOOK = new Pace(Scale.TINY, 30, 0, 0, new RoundLimits(3, 0.05, 1e-4), new Load(0, 1e-3, 2e-3));

    /** Seconds that one benchmark at one shape is expected to take, whose preparation writes so many bytes to disk. */
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

    /** Calls between two events where one takes so many microseconds: twenty and more, but fewer of those that are long. */
    int calls(double microseconds) {
        double wanted = Math.max(CALLS, Math.min(MAX_CALLS, rounds.blockSeconds * 1e6 / microseconds));
        double longest = Math.min(LONG_BLOCK_SECONDS, Math.max(rounds.blockSeconds, rounds.seconds / 5));
        return (int) Math.max(1, Math.min(wanted, longest * 1e6 / microseconds));
    }
}
