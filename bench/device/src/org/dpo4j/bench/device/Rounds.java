package org.dpo4j.bench.device;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.function.DoubleSupplier;
import org.dpo4j.bench.device.Benchmark.Call;

/** Times contenders alternately (A B C, C B A), so that all of them run in the same states of the machine. */
final class Rounds {
    private static final int MIN_ROUNDS = 3;
    private static final int WARM_UP_CALLS = 3;

    /**
     * @param microseconds runs one turn and returns the microseconds of a call
     * @param calls number of calls in a turn
     */
    record Contender(DoubleSupplier microseconds, int calls) {
        private double turn() {
            return microseconds.getAsDouble();
        }
    }

    private final Clock clock;
    private final Pace pace;
    private final MachineState state;

    Rounds(Clock clock, Pace pace, MachineState state) {
        this.clock = clock;
        this.pace = pace;
        this.state = state;
    }

    /** Warms up a call of dpo4j, and chooses the number of calls in a turn by the time of one. */
    Contender contender(Call call) {
        double first = clock.microseconds(WARM_UP_CALLS, call);
        double estimate = Math.max(1e-3, Math.min(first, clock.microseconds(WARM_UP_CALLS, call)));
        int calls = pace.calls(estimate);
        return new Contender(() -> clock.microseconds(calls, call), calls);
    }

    /** Runs rounds until there are enough or the time is over. Records the state of the machine after each. */
    List<Times> run(List<Contender> contenders, double seconds) {
        List<Times> times = new ArrayList<>();
        List<Integer> order = new ArrayList<>();
        for (int i = 0; i < contenders.size(); i++) {
            times.add(new Times(contenders.get(i).calls));
            order.add(i);
        }
        long warm = after(pace.warmUpSeconds());
        do {
            contenders.forEach(Contender::turn);
        } while (System.nanoTime() < warm);
        long end = after(seconds);
        for (int round = 0; round < pace.rounds().max() && (round < MIN_ROUNDS || System.nanoTime() < end); round++) {
            for (int i : order) {
                times.get(i).add(contenders.get(i).turn());
            }
            Collections.reverse(order);
            state.look();
        }
        return times;
    }

    /** Microseconds of a call at the beginning of work, after an idle time. */
    double burst(Contender contender) {
        try {
            Thread.sleep((long) (pace.load().idleSeconds() * 1e3));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        return mean(contender, pace.load().burstSeconds());
    }

    /** Microseconds of a call in the second half of a period of continuous work. */
    double sustained(Contender contender) {
        mean(contender, pace.load().sustainedSeconds() / 2);
        return mean(contender, pace.load().sustainedSeconds() / 2);
    }

    private static double mean(Contender contender, double seconds) {
        long end = after(seconds);
        double sum = 0;
        int turns = 0;
        do {
            sum += contender.turn();
            turns++;
        } while (System.nanoTime() < end);
        return sum / turns;
    }

    private static long after(double seconds) {
        return System.nanoTime() + (long) (seconds * 1e9);
    }
}
