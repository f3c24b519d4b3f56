package org.dpo4j.train.sentiment;

/** Two finished reviews of one beginning, the better one first. */
record Pair(Sample chosen, Sample rejected) {}
