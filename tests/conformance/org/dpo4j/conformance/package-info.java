/**
 * Tests every operation on every device: one class per operation. Each test is written once and runs on all devices
 * that {@code -Ddpo4j.test.devices} names.
 *
 * <p>{@link org.dpo4j.conformance.Tensors} holds the tensors of one call between guard zones and runs the call twice.
 * Results are compared with the references and tolerances of {@link org.dpo4j.testkit}.
 */
@NullMarked
package org.dpo4j.conformance;

import org.jspecify.annotations.NullMarked;
