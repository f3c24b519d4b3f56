/** Training: options, schedules, reference log-probs, objectives and the loop of {@code dpo} and {@code sft}. */
@NullMarked
package org.dpo4j.train;

import org.jspecify.annotations.NullMarked;
