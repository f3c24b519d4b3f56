package org.dpo4j.bench.device;

import java.util.ArrayList;
import java.util.List;

/** Microseconds of a call, by round. */
final class Times {
    private final List<Double> byRound = new ArrayList<>();
    private final int calls;

    /**
     * @param calls number of calls between two readings of the clock
     */
    Times(int calls) {
        this.calls = calls;
    }

    void add(double microseconds) {
        byRound.add(microseconds);
    }

    /** This percentile of the times. */
    double at(int percent) {
        List<Double> sorted = byRound.stream().sorted().toList();
        return sorted.get((int) Math.round(percent / 100.0 * (sorted.size() - 1)));
    }

    double median() {
        return at(50);
    }

    List<Double> byRound() {
        return byRound;
    }

    int calls() {
        return calls;
    }
}
