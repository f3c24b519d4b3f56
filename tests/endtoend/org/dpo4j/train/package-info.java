/**
 * Tests training, from one optimizer step to whole runs: compares with PyTorch and transformers, compares runs with
 * each other, and checks errors for bad input.
 */
@NullMarked
package org.dpo4j.train;

import org.jspecify.annotations.NullMarked;
