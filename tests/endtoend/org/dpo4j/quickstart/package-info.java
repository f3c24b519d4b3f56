/** Tests the quickstart's experiment with a very small model. */
@NullMarked
package org.dpo4j.quickstart;

import org.jspecify.annotations.NullMarked;
