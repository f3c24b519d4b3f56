/** Tests of row formats. */
@NullMarked
package org.dpo4j.data.row;

import org.jspecify.annotations.NullMarked;
