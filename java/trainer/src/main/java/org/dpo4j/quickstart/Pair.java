package org.dpo4j.quickstart;

/** Two finished reviews of one prompt. */
record Pair(Sample chosen, Sample rejected) {}
