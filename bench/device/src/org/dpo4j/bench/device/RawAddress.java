package org.dpo4j.bench.device;

import org.bytedeco.javacpp.Pointer;

/** An address of a device in the form that the presets take. Owns nothing. */
final class RawAddress extends Pointer {
    RawAddress(long address) {
        this.address = address;
    }
}
