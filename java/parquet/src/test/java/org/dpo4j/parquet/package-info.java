@NullMarked
package org.dpo4j.parquet;

import org.jspecify.annotations.NullMarked;
