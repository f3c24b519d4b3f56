/**
 * Reads rows of preference data, converts them to token ids and packs them into batches. A row that cannot be used is
 * an error that names file and line, or is left out and counted.
 */
@NullMarked
package org.dpo4j.data;

import org.jspecify.annotations.NullMarked;
