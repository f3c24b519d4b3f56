/** Files that users name, for reading and for writing, and plain words for what is wrong with them. Knows no model. */
@NullMarked
package org.dpo4j.io;

import org.jspecify.annotations.NullMarked;
