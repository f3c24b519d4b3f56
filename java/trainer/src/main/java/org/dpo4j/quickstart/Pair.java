package org.dpo4j.quickstart;

/** Two finished reviews of one beginning, the better one first. */
record Pair(Sample chosen, Sample rejected) {}
