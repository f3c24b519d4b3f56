package org.dpo4j.bench.device;

import java.util.ArrayList;
import java.util.List;

/** Microseconds of a call, by round. */
final class Times {
    private final List<Double> byRound = new ArrayList<>();
    private final List<Double> sorted = new ArrayList<>();
    private int calls;

    void add(double microseconds, int ofCalls) {
        byRound.add(microseconds);
        sorted.add(microseconds);
        sorted.sort(null);
        calls = ofCalls;
    }

    /** The one that {@code percent} of them do not exceed. */
    double at(int percent) {
        return sorted.get((int) Math.round(percent / 100.0 * (sorted.size() - 1)));
    }

    double median() {
        return at(50);
    }

    List<Double> byRound() {
        return byRound;
    }

    int rounds() {
        return sorted.size();
    }

    /** Between two readings of the clock. */
    int calls() {
        return calls;
    }
}
