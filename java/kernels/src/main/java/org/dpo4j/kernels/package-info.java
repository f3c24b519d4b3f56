/**
 * Devices, and the operations of preference optimization on them: token log-prob, sums over completions, preference
 * loss. For embedding in any trainer that has raw device addresses.
 */
@NullMarked
package org.dpo4j.kernels;

import org.jspecify.annotations.NullMarked;
