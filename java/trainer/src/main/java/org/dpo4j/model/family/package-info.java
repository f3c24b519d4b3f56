/**
 * Model families. Each is one class that reads a {@code config.json} into an {@link
 * org.dpo4j.model.family.Architecture} and maps tensor names to parameters.
 */
@NullMarked
package org.dpo4j.model.family;

import org.jspecify.annotations.NullMarked;
