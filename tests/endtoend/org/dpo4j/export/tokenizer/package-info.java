@NullMarked
package org.dpo4j.export.tokenizer;

import org.jspecify.annotations.NullMarked;
