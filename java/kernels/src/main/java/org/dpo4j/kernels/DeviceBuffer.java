package org.dpo4j.kernels;

/**
 * Device memory, until it is closed. {@link #close} waits for work that may still use the memory, and may be called
 * twice. After it, {@link #address} throws.
 */
public interface DeviceBuffer extends AutoCloseable {

    /** The address of the first byte, aligned to 256. */
    long address();

    /** The number of bytes that were requested. */
    long bytes();

    @Override
    void close();
}
