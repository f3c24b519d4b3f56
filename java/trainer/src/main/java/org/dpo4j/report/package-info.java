/** What a run tells: its header, progress on a terminal, and metrics in a file. */
@NullMarked
package org.dpo4j.report;

import org.jspecify.annotations.NullMarked;
