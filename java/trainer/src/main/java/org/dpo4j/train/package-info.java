/**
 * Training: options, schedules, reference log-probs, objectives and the loop of {@code dpo} and {@code sft}. {@link
 * org.dpo4j.train.DpoTrainer} runs a whole training, {@link org.dpo4j.train.DpoSteps} one optimizer step at a time.
 */
@NullMarked
package org.dpo4j.train;

import org.jspecify.annotations.NullMarked;
