package org.dpo4j.bench.device;

import org.dpo4j.bench.device.Benchmark.Call;
import org.dpo4j.kernels.Device;

/** Times calls on a device, each on the copies of the next turn. */
final class Clock {
    private final Device device;
    private int turn;

    Clock(Device device) {
        this.device = device;
    }

    /** Queues calls, waits for them, and returns the microseconds of one. */
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
