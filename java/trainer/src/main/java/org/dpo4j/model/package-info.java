/**
 * Models from Hugging Face directories. A decoder of blocks, described by an {@link
 * org.dpo4j.model.family.Architecture}, computes forward and backward passes and generates text.
 */
@NullMarked
package org.dpo4j.model;

import org.jspecify.annotations.NullMarked;
