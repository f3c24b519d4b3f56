/** Row formats: which columns hold the prompt and its completions, and how they become token ids. */
@NullMarked
package org.dpo4j.data.row;

import org.jspecify.annotations.NullMarked;
