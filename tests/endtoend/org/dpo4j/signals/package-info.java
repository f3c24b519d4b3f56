/** Tests processes that receive signals, and disks that fill up during a run. */
@NullMarked
package org.dpo4j.signals;

import org.jspecify.annotations.NullMarked;
