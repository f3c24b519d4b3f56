package org.dpo4j.kernels.internal;

/** Writes the {@code dpo4j_logit_transform} of a params struct. */
public final class LogitTransform {
    private LogitTransform() {}

    public static StructWriter write(StructWriter params, long bias, float scale, float cap) {
        return params.open("transform", Long.BYTES)
                .address("bias", bias)
                .float32("scale", scale)
                .float32("cap", cap)
                .close();
    }
}
