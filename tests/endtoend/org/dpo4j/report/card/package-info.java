/** What a run writes and shows. */
@NullMarked
package org.dpo4j.report.card;

import org.jspecify.annotations.NullMarked;
