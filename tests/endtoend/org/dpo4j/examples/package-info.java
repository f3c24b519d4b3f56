/** The programs of {@code examples}, run as a reader would. */
@NullMarked
package org.dpo4j.examples;

import org.jspecify.annotations.NullMarked;
