package org.dpo4j.kernels.internal;

import org.bytedeco.javacpp.Pointer;

/** A raw address as the JavaCPP presets need it. Owns no memory. */
final class Address extends Pointer {
    Address(long address) {
        this.address = address;
    }
}
