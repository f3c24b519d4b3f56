/** What a data set looks like: lengths, repeats, shapes of rows; and rows in another shape. */
@NullMarked
package org.dpo4j.data.stats;

import org.jspecify.annotations.NullMarked;
