package org.dpo4j.model;

/** Receives how far {@link Model#load} has come, on the thread that called it. An exception ends the load. */
@FunctionalInterface
public interface LoadProgress {
    /** Does nothing. */
    LoadProgress NONE = (done, total) -> {};

    /** {@code done} of {@code total} bytes of tensors are loaded. The last call has {@code done == total}. */
    void loaded(long done, long total);
}
