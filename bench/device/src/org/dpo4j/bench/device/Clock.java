package org.dpo4j.bench.device;

import org.dpo4j.bench.device.Benchmark.Call;
import org.dpo4j.kernels.Device;

/** Time that a device takes for calls, each for the next turn. */
final class Clock {
    private final Device device;
    private int turn;

    Clock(Device device) {
        this.device = device;
    }

    /** Queues {@code calls} calls, waits for them, and gives the microseconds of one. */
    double microseconds(int calls, Call call) {
        double all = device.microseconds(() -> {
            for (int i = 0; i < calls; i++) {
                call.queue(turn);
                turn = turn + 1 & Integer.MAX_VALUE;
            }
        });
        return all / calls;
    }
}
