/** What a run writes and shows. */
@NullMarked
package org.dpo4j.report.tensorboard;

import org.jspecify.annotations.NullMarked;
