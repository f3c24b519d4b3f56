package org.dpo4j.conformance;

import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;

/**
 * Where one invocation of a test runs.
 *
 * @param name the device's name in {@code dpo4j.test.devices}
 * @param device holds the tensors and runs the call
 * @param again runs the call a second time on the same memory. It is another context; on {@code cpu} it has another
 *     number of threads
 * @param dtype storage of tensors for which a test names no other type
 */
public record On(String name, Device device, Device again, DType dtype) {

    /** Whether the device runs the CUDA kernels, on a GPU or emulated. */
    public boolean cuda() {
        return device.name().equals("cuda");
    }

    /** The same with these devices: the first has the tensors and runs calls, the second runs them again. */
    On with(Device first, Device second) {
        return new On(name, first, second, dtype);
    }

    @Override
    public String toString() {
        return name + " " + dtype;
    }
}
