/** Reads rows of preference data, converts them to token ids and packs them into batches. */
@NullMarked
package org.dpo4j.data;

import org.jspecify.annotations.NullMarked;
