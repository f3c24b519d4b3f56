/** What a run writes and shows. */
@NullMarked
package org.dpo4j.report.mlflow;

import org.jspecify.annotations.NullMarked;
