/** Chat templates: conversations to text, as transformers renders them. */
@NullMarked
package org.dpo4j.data.chat;

import org.jspecify.annotations.NullMarked;
