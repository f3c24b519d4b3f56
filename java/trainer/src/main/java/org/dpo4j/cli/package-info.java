/** The commands of the command line, their options and config files. */
@NullMarked
package org.dpo4j.cli;

import org.jspecify.annotations.NullMarked;
