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
 * @param deadlineSeconds after which no benchmark begins; what is not reached is named
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
        double deadlineSeconds) {
    private static final int CALLS = 20;
    private static final int MOST_CALLS = 500;
    private static final double LONG_BLOCK_SECONDS = 0.4;

    /** As performance is to be reported. */
    static final Pace FULL = new Pace(1, 10, 30, 20, 5e-3, 1, 0.2, 20, Double.POSITIVE_INFINITY);

    /** Under eight minutes, whatever there is. */
    static final Pace QUICK = new Pace(0.1, 0.3, 30, 1.2, 2e-3, 0.2, 0.2, 0.8, 7.5 * 60);

    /** To see it run. */
    static final Pace LOOK = new Pace(0, 0, 3, 0.05, 1e-4, 0, 1e-3, 2e-3, Double.POSITIVE_INFINITY);

    /** Calls between two events where one takes so many microseconds: twenty and more, but for those that are long in themselves. */
    int calls(double microseconds) {
        double wanted = Math.max(CALLS, Math.min(MOST_CALLS, blockSeconds * 1e6 / microseconds));
        double most = Math.min(LONG_BLOCK_SECONDS, Math.max(blockSeconds, roundsSeconds / 5)) * 1e6 / microseconds;
        return (int) Math.max(1, Math.min(wanted, most));
    }
}
