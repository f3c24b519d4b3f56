/** Scripts of the bundle, among programs that only pretend. */
@NullMarked
package org.dpo4j.bundle;

import org.jspecify.annotations.NullMarked;
