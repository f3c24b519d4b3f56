/**
 * Tests whole models: reads their files, and compares log-probs, gradients and texts with those of PyTorch, of
 * published models and of a double-precision Llama.
 */
@NullMarked
package org.dpo4j.model;

import org.jspecify.annotations.NullMarked;
