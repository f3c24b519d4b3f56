/** Reports a run: its header, progress on a terminal, metrics in a file. */
@NullMarked
package org.dpo4j.report;

import org.jspecify.annotations.NullMarked;
