/** Converted rows in a file that is mapped into memory, and the directory in which such files are kept between runs. */
@NullMarked
package org.dpo4j.data.store;

import org.jspecify.annotations.NullMarked;
