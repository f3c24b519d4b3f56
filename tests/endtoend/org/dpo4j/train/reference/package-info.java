/** Log-probs of the reference on disk. */
@NullMarked
package org.dpo4j.train.reference;

import org.jspecify.annotations.NullMarked;
