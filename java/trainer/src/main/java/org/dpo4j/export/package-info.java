/** Writes a model in the format of another program. Needs no device. */
@NullMarked
package org.dpo4j.export;

import org.jspecify.annotations.NullMarked;
