/** Files that users name: links, pipes and devices made here, and formats by their first bytes. */
@NullMarked
package org.dpo4j.io;

import org.jspecify.annotations.NullMarked;
