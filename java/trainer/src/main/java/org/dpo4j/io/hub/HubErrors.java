package org.dpo4j.io.hub;

import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.Path;
import org.dpo4j.io.FileErrors;
import org.dpo4j.kernels.Dpo4jException;

/** Errors of the cache's files. */
final class HubErrors {
    private HubErrors() {}

    static Dpo4jException unwritten(Path file, IOException e) {
        boolean isAboutSpace = !(e instanceof AccessDeniedException) && FileErrors.isAboutSpace(e);
        return new Dpo4jException(
                file + " cannot be written (" + FileErrors.reason(e) + "); "
                        + (isAboutSpace ? "free space, or " : "")
                        + "set HF_HUB_CACHE to a directory "
                        + (isAboutSpace ? "on another disk" : "that this user may write")
                        + "; what has been downloaded is kept, and the same command goes on with it",
                e);
    }
}
