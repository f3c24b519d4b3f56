/** Writes the metrics of a run to event files, which TensorBoard reads. */
@NullMarked
package org.dpo4j.report.tensorboard;

import org.jspecify.annotations.NullMarked;
