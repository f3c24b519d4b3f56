/** The quickstart's experiment, very small. */
@NullMarked
package org.dpo4j.train.sentiment;

import org.jspecify.annotations.NullMarked;
