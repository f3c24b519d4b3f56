/**
 * Repositories of the Hugging Face hub: which names they have, where huggingface_hub keeps their files on the disk, and how
 * they are downloaded. Callers say which files they need.
 */
@NullMarked
package org.dpo4j.io.hub;

import org.jspecify.annotations.NullMarked;
