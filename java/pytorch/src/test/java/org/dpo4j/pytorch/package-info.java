/** Tests the adapter against libtorch's autograd in double precision. */
@NullMarked
package org.dpo4j.pytorch;

import org.jspecify.annotations.NullMarked;
