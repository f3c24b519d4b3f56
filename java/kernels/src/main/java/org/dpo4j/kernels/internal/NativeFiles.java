package org.dpo4j.kernels.internal;

/**
 * A jar of native libraries for one platform. Nothing calls it: the modules of such jars provide this service, so Java
 * resolves them with the module {@code org.dpo4j.kernels}, and programs need not require a module whose name contains a
 * platform.
 */
public interface NativeFiles {}
