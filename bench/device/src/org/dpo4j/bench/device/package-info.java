/**
 * Benchmarks of a device, by themselves: rooflines of the machine, then every operation, beside them and in turns. {@link
 * org.dpo4j.bench.device.Benchmarks} is the table of what is timed.
 */
@NullMarked
package org.dpo4j.bench.device;

import org.jspecify.annotations.NullMarked;
