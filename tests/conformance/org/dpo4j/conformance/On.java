package org.dpo4j.conformance;

import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;

/**
 * Where one invocation of a test runs.
 *
 * @param name the device's name in {@code dpo4j.test.devices}
 * @param device holds the tensors and runs the call
 * @param again runs the call a second time on the same memory: another context, on {@code cpu} with another number of threads
 * @param dtype storage of the tensors that carry no other mark
 */
public record On(String name, Device device, Device again, DType dtype) {

    /** Whether the kernels are those of {@code cuda}, on a GPU or emulated. */
    public boolean cuda() {
        return device.name().equals("cuda");
    }

    /** Tensors of the first device; calls run there, and again on the second. */
    On with(Device first, Device second) {
        return new On(name, first, second, dtype);
    }

    @Override
    public String toString() {
        return name + " " + dtype;
    }
}
