package org.dpo4j.bench.device;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.dpo4j.bench.device.Benchmark.Call;

/** Times contenders in turns, A B C, C B A, so that each meets the same state of the machine. */
final class Rounds {
    private static final int LEAST = 3;
    private static final int WARM_UP = 3;

    /** Somebody who can be timed: {@code calls} calls, or as many as he likes; the microseconds of one. */
    interface Contender {
        double microseconds();

        int calls();
    }

    private final Clock clock;
    private final Pace pace;
    private final MachineState state;

    Rounds(Clock clock, Pace pace, MachineState state) {
        this.clock = clock;
        this.pace = pace;
        this.state = state;
    }

    /** A call of our own, warmed up, in blocks of a size that suits it. */
    Contender contender(Call call) {
        double estimate = clock.microseconds(WARM_UP, call);
        estimate = Math.max(1e-3, Math.min(estimate, clock.microseconds(WARM_UP, call)));
        int calls = pace.calls(estimate);
        return new Contender() {
            @Override
            public double microseconds() {
                return clock.microseconds(calls, call);
            }

            @Override
            public int calls() {
                return calls;
            }
        };
    }

    /** Rounds until there are enough or the time is over; the state of the machine is looked at after each. */
    List<Times> run(List<Contender> contenders, double seconds) {
        List<Times> times = new ArrayList<>();
        List<Integer> order = new ArrayList<>();
        for (int i = 0; i < contenders.size(); i++) {
            times.add(new Times());
            order.add(i);
        }
        warmUp(contenders);
        long end = System.nanoTime() + (long) (seconds * 1e9);
        for (int round = 0; round < pace.rounds() && (round < LEAST || System.nanoTime() < end); round++) {
            for (int i : order) {
                times.get(i)
                        .add(contenders.get(i).microseconds(), contenders.get(i).calls());
            }
            Collections.reverse(order);
            state.look();
        }
        return times;
    }

    private void warmUp(List<Contender> contenders) {
        long end = System.nanoTime() + (long) (pace.warmUpSeconds() * 1e9);
        do {
            contenders.forEach(Contender::microseconds);
        } while (System.nanoTime() < end);
    }

    /** Microseconds of a call in the first work after a rest. */
    double burst(Contender contender) {
        pause(pace.idleSeconds());
        return first(contender, pace.burstSeconds());
    }

    /** Microseconds of a call in the second half of work without a rest. */
    double sustained(Contender contender) {
        first(contender, pace.sustainedSeconds() / 2);
        return first(contender, pace.sustainedSeconds() / 2);
    }

    private static double first(Contender contender, double seconds) {
        long end = System.nanoTime() + (long) (seconds * 1e9);
        double sum = 0;
        int blocks = 0;
        do {
            sum += contender.microseconds();
            blocks++;
        } while (System.nanoTime() < end);
        return sum / blocks;
    }

    private static void pause(double seconds) {
        try {
            Thread.sleep((long) (seconds * 1e3));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
