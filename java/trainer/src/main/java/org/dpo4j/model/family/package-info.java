/**
 * Model families as data: how each one's {@code config.json} describes an {@link org.dpo4j.model.family.Architecture},
 * and which of its tensors hold which parameters. One class a family.
 */
@NullMarked
package org.dpo4j.model.family;

import org.jspecify.annotations.NullMarked;
