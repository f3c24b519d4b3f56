package org.dpo4j.kernels.decoder;

import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.internal.Native;
import org.dpo4j.kernels.internal.Status;
import org.dpo4j.kernels.internal.StructWriter;

/** Adam with decoupled weight decay (Loshchilov and Hutter 2019), as {@code torch.optim.AdamW}. */
public final class AdamW {
    private AdamW() {}

    /**
     * How exact values are rounded to parameters.
     *
     * @param random address of u32[3]: low half of the seed, high half of the seed, step; 0: to nearest
     * @param first the number of the call's first element, a multiple of 8. The random bits of an element depend only
     *     on its number, the step and the seed, so a step may be split into calls in any way
     */
    public record Rounding(long random, long first) {
        /** To nearest. */
        public static final Rounding NEAREST = new Rounding(0, 0);

        /**
         * Stochastic, for bf16 parameters without master weights, and their bf16 moments: to one of the two
         * neighbouring bf16 values, with probabilities that make the mean exact (Gupta et al. 2015). {@code dpo4j.h}
         * defines the random bits.
         */
        public static Rounding stochastic(long random, long first) {
            return new Rounding(random, first);
        }
    }

    /**
     * Addresses of parameters.
     *
     * @param address updated, {@code dtype}[count]
     * @param master updated, f32[count], the exact values of bf16 parameters; 0 if the rounding is stochastic, may be 0
     *     for f32 parameters
     */
    public record Parameters(long address, long master, DType dtype) {}

    /**
     * Addresses of the moments, both updated, {@code dtype}[count].
     *
     * @param m mean of the gradient
     * @param v mean of the squared gradient
     * @param dtype F32; or BF16 if the rounding is stochastic, which then applies to the moments too
     */
    public record Moments(long m, long v, DType dtype) {}

    /**
     * Addresses of the inputs of a step.
     *
     * @param gradient f32[count]
     * @param rates f32[3]: {@code {lr, c1 = 1/(1-beta1^t), c2 = 1/(1-beta2^t)}}
     * @param clip f32, the clip factor of {@link GradientNorm}; 0: no clipping
     */
    public record Inputs(long gradient, long rates, long clip) {}

    /**
     * {@code g = clip gradient; m = beta1 m + (1-beta1) g; v = beta2 v + (1-beta2) g^2; parameter -= lr (weightDecay
     * parameter + c1 m / (sqrt(c2 v) + epsilon))}. If clip is NaN, nothing changes.
     */
    public static void step(
            Device device,
            Parameters parameters,
            Moments moments,
            Inputs inputs,
            long count,
            Rounding rounding,
            AdamWOptions options) {
        long context = device.context();
        StructWriter params = StructWriter.begin("dpo4j_adamw_params")
                .address("parameter", parameters.address)
                .address("master", parameters.master)
                .address("m", moments.m)
                .address("v", moments.v)
                .address("gradient", inputs.gradient)
                .address("rates", inputs.rates)
                .address("clip", inputs.clip)
                .address("random", rounding.random)
                .int64("first", rounding.first)
                .int64("count", count)
                .open("options", Double.BYTES)
                .float64("beta1", options.beta1())
                .float64("beta2", options.beta2())
                .float64("epsilon", options.epsilon())
                .float64("weight_decay", options.weightDecay())
                .close()
                .int32("dtype", parameters.dtype.code())
                .int32("moments_dtype", moments.dtype.code());
        Status.check(context, Native.dpo4j_adamw(context, params.end()));
    }
}
