/**
 * Training, from one optimizer step to whole runs: against PyTorch and transformers, against itself, and against bad
 * input.
 */
@NullMarked
package org.dpo4j.train;

import org.jspecify.annotations.NullMarked;
