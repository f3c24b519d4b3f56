/** Tests the scripts of the bundle. Small scripts replace the programs that they call. */
@NullMarked
package org.dpo4j.bundle;

import org.jspecify.annotations.NullMarked;
