package org.dpo4j.kernels.internal;

/** The {@code dpo4j_logit_transform} that several params structs hold. */
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
