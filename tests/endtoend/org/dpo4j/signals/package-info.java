/** Processes that are told to end, and disks that fill up while they run. */
@NullMarked
package org.dpo4j.signals;

import org.jspecify.annotations.NullMarked;
