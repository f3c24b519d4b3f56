/**
 * What tests and benchmarks compare results with. {@code Reference*} are the operations in double precision. {@link
 * org.dpo4j.testkit.Tolerance} derives how far a result may be from them. {@link org.dpo4j.testkit.Expected} holds the
 * exact values and the allowed errors of one result.
 */
@NullMarked
package org.dpo4j.testkit;

import org.jspecify.annotations.NullMarked;
