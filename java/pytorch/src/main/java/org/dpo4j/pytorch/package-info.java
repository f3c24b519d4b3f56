/**
 * Log-probs and preference losses on tensors of {@code org.bytedeco:pytorch}. The kernels read and write the memory of
 * the tensors, without copies, and give the gradient to autograd.
 */
@NullMarked
package org.dpo4j.pytorch;

import org.jspecify.annotations.NullMarked;
