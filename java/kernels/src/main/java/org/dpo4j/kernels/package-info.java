/**
 * Devices, and the operations of preference optimization: token log-probs, sums over completions, preference losses. A
 * trainer can call them on its own device memory.
 */
@NullMarked
package org.dpo4j.kernels;

import org.jspecify.annotations.NullMarked;
