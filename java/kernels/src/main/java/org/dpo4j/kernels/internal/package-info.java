/** Bindings of the native library, and the two devices. Not for use outside this artifact. */
@NullMarked
package org.dpo4j.kernels.internal;

import org.jspecify.annotations.NullMarked;
