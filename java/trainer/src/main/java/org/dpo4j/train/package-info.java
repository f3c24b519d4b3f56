/** Training: options, schedules, reference log-probs, and the loops of {@code dpo} and {@code sft}. */
@NullMarked
package org.dpo4j.train;

import org.jspecify.annotations.NullMarked;
