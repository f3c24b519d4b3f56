package org.dpo4j.kernels.internal;

import org.bytedeco.javacpp.Pointer;

/** A raw address in the form the presets take. Owns nothing. */
final class Address extends Pointer {
    Address(long address) {
        this.address = address;
    }
}
