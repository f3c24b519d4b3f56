/**
 * A small version of the controlled-sentiment experiment of the DPO paper (Rafailov et al. 2023, section 6.1): made-up
 * film reviews instead of IMDb, a fixed lexicon instead of a classifier, a model of about a million parameters instead
 * of GPT-2 large.
 */
@NullMarked
package org.dpo4j.quickstart;

import org.jspecify.annotations.NullMarked;
