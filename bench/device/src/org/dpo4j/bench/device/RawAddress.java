package org.dpo4j.bench.device;

import org.bytedeco.javacpp.Pointer;

/** A device address as the pointer type of JavaCPP's presets. Owns no memory. */
final class RawAddress extends Pointer {
    RawAddress(long address) {
        this.address = address;
    }
}
