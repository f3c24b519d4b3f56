/** Opens files of rows and reads them row by row, whatever their format. */
@NullMarked
package org.dpo4j.data.source;

import org.jspecify.annotations.NullMarked;
