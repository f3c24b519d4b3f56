/** The model card of a trained model. */
@NullMarked
package org.dpo4j.report.card;

import org.jspecify.annotations.NullMarked;
