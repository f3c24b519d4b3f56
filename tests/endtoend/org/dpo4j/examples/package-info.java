/** Runs the programs of {@code examples} as a reader would. */
@NullMarked
package org.dpo4j.examples;

import org.jspecify.annotations.NullMarked;
