/**
 * Whole models: files in, log-probs, gradients and texts out, against PyTorch's values, real models' and a
 * double-precision Llama.
 */
@NullMarked
package org.dpo4j.model;

import org.jspecify.annotations.NullMarked;
