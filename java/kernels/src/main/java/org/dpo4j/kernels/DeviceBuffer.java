package org.dpo4j.kernels;

/**
 * Memory of a device, until closed. Closing twice is allowed; {@link #address} after it throws. Closing waits for work
 * that may still use it.
 */
public interface DeviceBuffer extends AutoCloseable {

    /** First byte, aligned to 256. */
    long address();

    /** Usable bytes. */
    long bytes();

    @Override
    void close();
}
