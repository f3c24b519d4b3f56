/** What a run writes and shows. */
@NullMarked
package org.dpo4j.report.record;

import org.jspecify.annotations.NullMarked;
