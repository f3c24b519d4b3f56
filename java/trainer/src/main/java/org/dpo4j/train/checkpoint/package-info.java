/** Checkpoints on disk: the state of a run, written completely or not at all, and checked before it is read. */
@NullMarked
package org.dpo4j.train.checkpoint;

import org.jspecify.annotations.NullMarked;
