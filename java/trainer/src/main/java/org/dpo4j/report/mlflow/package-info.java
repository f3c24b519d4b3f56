/** Sends the metrics of a run to an MLflow server. */
@NullMarked
package org.dpo4j.report.mlflow;

import org.jspecify.annotations.NullMarked;
