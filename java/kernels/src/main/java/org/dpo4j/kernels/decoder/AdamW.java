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
     * How the exact value becomes a parameter.
     *
     * @param random u32[3]: low and high half of a seed, number of the step; or 0, and the value is rounded to nearest
     * @param first number of the call's first element, a multiple of 8: with seed and step it decides what the element
     *     is rounded by, in whatever calls a step is made
     */
    public record Rounding(long random, long first) {
        public static final Rounding NEAREST = new Rounding(0, 0);

        /**
         * Of bf16 parameters without master, and of bf16 moments beside them: to one of the two neighbours, the further
         * one with the probability that makes the mean exact (Gupta et al. 2015). The random bits are those that {@code
         * dpo4j.h} names.
         */
        public static Rounding stochastic(long random, long first) {
            return new Rounding(random, first);
        }
    }

    /**
     * Addresses of parameters.
     *
     * @param address in and out, {@code dtype}[count]
     * @param master in and out, f32[count], the exact value of a bf16 parameter; may be 0 for f32, and is 0 where the
     *     rounding is stochastic
     */
    public record Parameters(long address, long master, DType dtype) {}

    /**
     * Addresses of the means of the gradient and of its square, both in and out, {@code dtype}[count].
     *
     * @param dtype F32; or BF16 where the rounding is stochastic, and then it is that of both moments too, each by bits
     *     of its own
     */
    public record Moments(long m, long v, DType dtype) {}

    /**
     * Addresses of what a step reads.
     *
     * @param gradient f32[count]
     * @param rates f32[3]: {@code {lr, c1 = 1/(1-beta1^t), c2 = 1/(1-beta2^t)}}
     * @param clip one f32, the second value of {@link GradientNorm}; or 0 for 1
     */
    public record Inputs(long gradient, long rates, long clip) {}

    /**
     * With {@code g = clip * gradient}: {@code parameter *= 1 - lr weightDecay; m = beta1 m + (1-beta1) g; v = beta2 v +
     * (1-beta2) g^2; parameter -= lr c1 m / (sqrt(v c2) + epsilon)}. A NaN clip leaves everything as it was: no step is
     * taken.
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
