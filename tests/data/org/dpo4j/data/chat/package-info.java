/** Chat templates. */
@NullMarked
package org.dpo4j.data.chat;

import org.jspecify.annotations.NullMarked;
