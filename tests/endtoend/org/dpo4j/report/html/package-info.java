/** What a run writes and shows. */
@NullMarked
package org.dpo4j.report.html;

import org.jspecify.annotations.NullMarked;
