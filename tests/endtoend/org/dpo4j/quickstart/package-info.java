/** The quickstart's experiment, very small. */
@NullMarked
package org.dpo4j.quickstart;

import org.jspecify.annotations.NullMarked;
