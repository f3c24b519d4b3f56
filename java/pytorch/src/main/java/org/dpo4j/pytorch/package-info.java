/** dpo4j's kernels on libtorch tensors ({@code org.bytedeco:pytorch}), in place, with gradients for autograd. */
@NullMarked
package org.dpo4j.pytorch;

import org.jspecify.annotations.NullMarked;
