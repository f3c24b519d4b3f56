/** The record of a run in its output directory, from which reports are made: {@code run.json} and metrics.jsonl. */
@NullMarked
package org.dpo4j.report.record;

import org.jspecify.annotations.NullMarked;
