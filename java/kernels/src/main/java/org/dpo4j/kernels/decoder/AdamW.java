package org.dpo4j.kernels.decoder;

import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.internal.Native;
import org.dpo4j.kernels.internal.Status;

/** Adam with decoupled weight decay (Loshchilov and Hutter 2019), as {@code torch.optim.AdamW}. */
public final class AdamW {
    private AdamW() {}

    /**
     * With {@code g = clip * gradient} and {@code rates = {lr, c1 = 1/(1-beta1^t), c2 = 1/(1-beta2^t)}}: {@code
     * parameter *= 1 - lr weightDecay; m = beta1 m + (1-beta1) g; v = beta2 v + (1-beta2) g^2; parameter -= lr c1 m /
     * (sqrt(v c2) + epsilon)}. A NaN clip leaves everything as it was: no step is taken.
     *
     * @param parameter in and out, {@code dtype}[count]
     * @param master in and out, f32[count], the exact value of a bf16 parameter; may be 0 for f32
     * @param m in and out, f32[count]
     * @param v in and out, f32[count]
     * @param gradient f32[count]
     * @param rates f32[3]
     * @param clip one f32, the second value of {@link GradientNorm}; or 0 for 1
     */
    public static void step(
            Device device,
            long parameter,
            long master,
            long m,
            long v,
            long gradient,
            long rates,
            long clip,
            long count,
            AdamWOptions options,
            DType dtype) {
        float[] values = {options.beta1(), options.beta2(), options.epsilon(), options.weightDecay()};
        long context = device.context();
        Status.check(
                context,
                Native.dpo4j_adamw(
                        context, parameter, master, m, v, gradient, rates, clip, count, values, dtype.code()));
    }
}
