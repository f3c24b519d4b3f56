/**
 * The LM head as one operation: log-probs of tokens from hidden rows and the head's matrix, and the gradient of a loss
 * that is linear in one number a row once its log-probs are known, as every preference loss is. Logits are never in
 * memory beyond one chunk of rows.
 */
@NullMarked
package org.dpo4j.kernels.head;

import org.jspecify.annotations.NullMarked;
