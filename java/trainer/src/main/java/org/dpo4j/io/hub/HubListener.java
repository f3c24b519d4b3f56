package org.dpo4j.io.hub;

/** Receives how far a download has come, on the thread that called it. An exception ends the download. */
public interface HubListener {
    /** {@code done} of {@code total} bytes of the missing files of a repository are on this disk. */
    void downloaded(String repository, long done, long total);

    /** Receives one line that the user should read now. */
    void notice(String line);

    /** Is called at least every second while nothing arrives, so that it can end the download. */
    void waiting();
}
