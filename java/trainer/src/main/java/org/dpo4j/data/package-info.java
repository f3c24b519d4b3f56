/** Rows of preference data to token ids to packed batches. */
@NullMarked
package org.dpo4j.data;

import org.jspecify.annotations.NullMarked;
