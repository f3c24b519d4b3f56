package org.dpo4j.kernels;

/**
 * Work of a device that can be queued again by one call: {@link Device#capture}. Its kernels, sizes and addresses are
 * those of the capture; what lies at the addresses is read when it runs. Closing twice is allowed; it does not wait for
 * work that runs.
 */
public interface DeviceGraph extends AutoCloseable {

    /** Queues the work, after all that is queued. */
    void launch();

    @Override
    void close();
}
