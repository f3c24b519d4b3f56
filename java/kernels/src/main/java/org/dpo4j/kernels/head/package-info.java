/**
 * The LM head as one operation: log-probs of tokens from hidden states and the head's weight, and the gradients of
 * hidden states and weight for a loss that is known only after the log-probs. Only one chunk of logits is in memory at
 * a time.
 */
@NullMarked
package org.dpo4j.kernels.head;

import org.jspecify.annotations.NullMarked;
