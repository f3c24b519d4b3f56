package org.dpo4j.kernels.decoder;

import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.internal.StructWriter;

/**
 * What a step of every optimizer reads and changes beside the optimizer's own state. A step changes nothing if the clip
 * factor is NaN, because then the gradient was not finite.
 *
 * @param parameters the weights
 * @param inputs gradient, learning rate, clip factor
 * @param count elements
 * @param rounding how exact weights are rounded
 */
public record WeightUpdate(Parameters parameters, Inputs inputs, long count, Rounding rounding) {

    /**
     * How exact values are rounded to parameters.
     *
     * @param random address of u32[3]: low half of the seed, high half of the seed, step; 0: to nearest
     * @param first the number of the call's first element, a multiple of 8. The random bits of an element depend only
     *     on its number, the step and the seed, so a step may be split into calls in any way
     */
    public record Rounding(long random, long first) {
        /** Round to nearest, ties to even. */
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
     * Addresses of the inputs of a step.
     *
     * @param gradient f32[count]
     * @param rates the learning rate, f32, and after it the numbers that the optimizer states
     * @param clip f32, the clip factor of {@link GradientNorm}; 0: no clipping
     */
    public record Inputs(long gradient, long rates, long clip) {}

    /** Writes the fields before those of the optimizer's state. */
    StructWriter begin(String struct) {
        return StructWriter.begin(struct)
                .address("parameter", parameters.address)
                .address("master", parameters.master);
    }

    /** Writes the fields after those of the optimizer's state, up to the options. */
    StructWriter writeInputs(StructWriter params) {
        return params.address("gradient", inputs.gradient)
                .address("rates", inputs.rates)
                .address("clip", inputs.clip)
                .address("random", rounding.random)
                .int64("first", rounding.first)
                .int64("count", count);
    }
}
