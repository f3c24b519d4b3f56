/** The reference's log-probs on disk: found by the row's tokens, complete or refused. */
@NullMarked
package org.dpo4j.train.reference;

import org.jspecify.annotations.NullMarked;
