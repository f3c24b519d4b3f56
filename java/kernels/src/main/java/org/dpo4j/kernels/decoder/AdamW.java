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
     * Addresses of the moments, both updated, {@code dtype}[count].
     *
     * @param m mean of the gradient
     * @param v mean of the squared gradient
     * @param dtype F32; or BF16 if the rounding is stochastic, which then applies to the moments too
     */
    public record Moments(long m, long v, DType dtype) {}

    /**
     * {@code g = clip gradient; m = beta1 m + (1-beta1) g; v = beta2 v + (1-beta2) g^2; parameter -= lr (weightDecay
     * parameter + c1 m / (sqrt(c2 v) + epsilon))}. The rates are f32[3]: {@code {lr, c1 = 1/(1-beta1^t), c2 =
     * 1/(1-beta2^t)}}.
     */
    public static void step(Device device, WeightUpdate update, Moments moments, AdamWOptions options) {
        long context = device.context();
        StructWriter params =
                update.begin("dpo4j_adamw_params").address("m", moments.m).address("v", moments.v);
        options.write(update.writeInputs(params))
                .int32("dtype", update.parameters().dtype().code())
                .int32("moments_dtype", moments.dtype.code());
        Status.check(context, Native.dpo4j_adamw(context, params.end()));
    }
}
