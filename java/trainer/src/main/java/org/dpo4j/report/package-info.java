/**
 * Reports a run: its header, progress on a terminal, metrics in a file. A {@link org.dpo4j.report.RunListener} receives
 * all of it, and can end the run.
 */
@NullMarked
package org.dpo4j.report;

import org.jspecify.annotations.NullMarked;
