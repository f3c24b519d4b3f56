package org.dpo4j.train;

import java.util.function.Supplier;
import org.dpo4j.kernels.Device;

/**
 * Chooses the memory of logits before a run: more than the default if the largest group of completions needs more, so that a step needs
 * three matrix products with the head and not four. If the run does not fit into the device's memory then, it keeps the default.
 *
 * <p>The rows of logits change the bits of weight gradients. So the choice depends on all memory of the device, and not on what happens
 * to be free: a resumed run chooses as the stopped one did.
 */
final class LogitsMemory {
    /** One part in this many of the memory stays free for what the plan does not count, such as cuBLASLt's workspace. */
    private static final int FREE_SHARE = 32;

    private LogitsMemory() {}

    /** Chooses the memory of the objective's logits. {@code planner}: plans the run as it is now. */
    static void choose(Objective objective, Supplier<MemoryPlan> planner) {
        if (objective.growLogits()) {
            long total = objective.model().device().totalBytes();
            if (planner.get().bytes() > total - total / FREE_SHARE) {
                objective.shrinkLogits();
            }
        }
    }

    /** Device memory that a run may use: what it has allocated already, and what is free. */
    static long available(Device device) {
        long available = device.availableBytes();
        return available == Long.MAX_VALUE ? available : device.allocatedBytes() + available;
    }
}
