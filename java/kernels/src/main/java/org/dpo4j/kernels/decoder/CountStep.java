package org.dpo4j.kernels.decoder;

import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.internal.Native;
import org.dpo4j.kernels.internal.Status;
import org.dpo4j.kernels.internal.StructWriter;

/**
 * Counts the optimizer steps that are applied, between {@link GradientNorm} and the optimizer. A step is skipped if its
 * clip factor is NaN, or if its loss is not finite. Then it leaves no trace: its sums are restored, and it is not counted.
 * The host need not know, so a step can be queued without waiting for earlier ones.
 */
public final class CountStep {
    private CountStep() {}

    /**
     * Addresses of what a step changes.
     *
     * @param clip updated, f32: the clip factor; becomes NaN if the loss is not finite
     * @param steps updated, i32: the number of steps that were applied, which increases by one unless the step is skipped
     * @param loss f64, which the step must leave finite, such as one of the sums; or 0
     */
    public record Step(long clip, long steps, long loss) {}

    /**
     * Sums to which the step has added.
     *
     * @param address updated, f64[count]: {@code kept} if the step is skipped
     * @param kept updated, f64[count]: equal to the sums before the step and after this call
     */
    public record Sums(long address, long kept, long count) {
        /** No sums. */
        public static final Sums NONE = new Sums(0, 0, 0);
    }

    /**
     * The bias corrections of {@link AdamW}.
     *
     * @param address written, f32[2]: {@code {1 / (1 - beta1^steps), 1 / (1 - beta2^steps)}}; or 0
     * @param beta1 in [0, 1)
     * @param beta2 in [0, 1)
     */
    public record Corrections(long address, double beta1, double beta2) {
        /** For optimizers that read none. */
        public static final Corrections NONE = new Corrections(0, 0, 0);
    }

    /** Counts the step, or restores the sums. */
    public static void compute(Device device, Step step, Sums sums, Corrections corrections) {
        long context = device.context();
        StructWriter params = StructWriter.begin("dpo4j_count_step_params")
                .address("clip", step.clip)
                .address("steps", step.steps)
                .address("corrections", corrections.address)
                .address("sums", sums.address)
                .address("kept", sums.kept)
                .address("loss", step.loss)
                .int64("count", sums.count)
                .float64("beta1", corrections.beta1)
                .float64("beta2", corrections.beta2);
        Status.check(context, Native.dpo4j_count_step(context, params.end()));
    }
}
