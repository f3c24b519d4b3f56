/**
 * Tensors of {@code org.bytedeco:pytorch} under dpo4j's kernels: read and written where they lie, with gradients that
 * autograd carries on.
 */
@NullMarked
package org.dpo4j.pytorch;

import org.jspecify.annotations.NullMarked;
