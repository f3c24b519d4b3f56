/** Commands, run in this process as the launcher runs them. */
@NullMarked
package org.dpo4j.cli;

import org.jspecify.annotations.NullMarked;
