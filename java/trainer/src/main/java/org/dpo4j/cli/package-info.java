/** The commands. */
@NullMarked
package org.dpo4j.cli;

import org.jspecify.annotations.NullMarked;
