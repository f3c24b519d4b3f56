/** Files that are not what their names say. */
@NullMarked
package org.dpo4j.fuzz;

import org.jspecify.annotations.NullMarked;
