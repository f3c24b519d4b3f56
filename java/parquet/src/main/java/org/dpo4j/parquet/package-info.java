/** Rows in Parquet files, by the library hardwood. */
@NullMarked
package org.dpo4j.parquet;

import org.jspecify.annotations.NullMarked;
