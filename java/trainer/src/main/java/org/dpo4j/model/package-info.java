/** Hugging Face Llama directories, and the decoder they describe on a device: forward, backward, generation. */
@NullMarked
package org.dpo4j.model;

import org.jspecify.annotations.NullMarked;
