package org.dpo4j.bench.device;

/**
 * How long a benchmark may take, in seconds. Entries are given time, not counts: a slow one makes fewer rounds.
 *
 * @param warmUpSeconds of work before the rounds, for clocks to settle
 * @param repeatSeconds in which a call is repeated, a hundred times at most, to see that it leaves the same bits
 * @param rounds at most, contenders taking turns
 * @param roundsSeconds of all rounds
 * @param blockSeconds of the calls between two events; at least {@value #CALLS} where they are short
 * @param idleSeconds of rest before the burst
 * @param burstSeconds of the first work after the rest
 * @param sustainedSeconds of work without a rest
 * @param setupSeconds that tensors, gate and choice of the roofline's algorithm may take
 * @param isTiny shapes to look at, not to measure
 */
record Pace(
        double warmUpSeconds,
        double repeatSeconds,
        int rounds,
        double roundsSeconds,
        double blockSeconds,
        double idleSeconds,
        double burstSeconds,
        double sustainedSeconds,
        double setupSeconds,
        boolean isTiny) {
    private static final int CALLS = 20;
    private static final int MOST_CALLS = 500;
    private static final double LONG_BLOCK_SECONDS = 0.4;
    /** A slow disk: random weights are made, written and read again. */
    private static final double DISK_BYTES_PER_SECOND = 0.5e9;

    /** As performance is to be reported. */
    static final Pace FULL = new Pace(1, 10, 30, 20, 5e-3, 1, 0.2, 20, 10, false);

    /** All of it in about eight minutes. */
    static final Pace QUICK = new Pace(0.1, 0.3, 30, 1.2, 2e-3, 0.2, 0.2, 0.8, 5, false);

    /** To see it run. */
    static final Pace LOOK = new Pace(0, 0, 3, 0.05, 1e-4, 0, 1e-3, 2e-3, 30, true);

    /** What one benchmark at one shape is expected to take, whose preparation writes so many bytes to disk. */
    double expectedSeconds(double bytesOnDisk) {
        return setupSeconds
                + bytesOnDisk / DISK_BYTES_PER_SECOND
                + warmUpSeconds
                + repeatSeconds
                + roundsSeconds
                + idleSeconds
                + burstSeconds
                + sustainedSeconds;
    }

    /** Calls between two events where one takes so many microseconds: twenty and more, but for those that are long in themselves. */
    int calls(double microseconds) {
        double wanted = Math.max(CALLS, Math.min(MOST_CALLS, blockSeconds * 1e6 / microseconds));
        double most = Math.min(LONG_BLOCK_SECONDS, Math.max(blockSeconds, roundsSeconds / 5)) * 1e6 / microseconds;
        return (int) Math.max(1, Math.min(wanted, most));
    }
}
