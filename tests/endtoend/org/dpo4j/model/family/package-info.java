/** Families: what their config.json means, and which tensors hold which parameters. */
@NullMarked
package org.dpo4j.model.family;

import org.jspecify.annotations.NullMarked;
