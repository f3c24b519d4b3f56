/**
 * Models from Hugging Face directories, and the decoder of blocks that their {@link
 * org.dpo4j.model.family.Architecture} describes: forward, backward, generation.
 */
@NullMarked
package org.dpo4j.model;

import org.jspecify.annotations.NullMarked;
