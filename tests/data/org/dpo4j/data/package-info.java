/** Rows, tokenizers, packing and order. */
@NullMarked
package org.dpo4j.data;

import org.jspecify.annotations.NullMarked;
