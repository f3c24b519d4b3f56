package org.dpo4j.train;

import org.dpo4j.io.hub.Hub;

/** Models or data sets that options name. */
@FunctionalInterface
public interface Downloadable {
    /** Downloads what is a name of the hub and not in its cache. Does nothing for files and directories. */
    void download(Hub hub);
}
