/**
 * Every operation on every device: one class an operation, each test written once and run on all that {@code -Ddpo4j.test.devices} names.
 *
 * <p>{@link org.dpo4j.conformance.Tensors} holds the tensors of one call between guard zones and runs it twice, {@code Reference*} are the
 * formulas in double precision, {@link org.dpo4j.conformance.Tolerance} says how far from them a result may be, and why.
 */
@NullMarked
package org.dpo4j.conformance;

import org.jspecify.annotations.NullMarked;
