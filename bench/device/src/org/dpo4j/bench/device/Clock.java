package org.dpo4j.bench.device;

import org.dpo4j.bench.device.Benchmark.Call;
import org.dpo4j.kernels.Device;

/** Times calls on a device. Each call uses the next copies of its tensors. */
final class Clock {
    private final Device device;
    private int turn;

    Clock(Device device) {
        this.device = device;
    }

    /** Queues calls, waits for them, and returns the mean microseconds of a call. */
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
