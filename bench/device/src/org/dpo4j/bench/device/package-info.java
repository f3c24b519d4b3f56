/**
 * Benchmarks of a device: first rooflines of the machine, then every operation, timed alternately with its roofline.
 * {@link org.dpo4j.bench.device.Benchmarks} is the table of benchmarks.
 */
@NullMarked
package org.dpo4j.bench.device;

import org.jspecify.annotations.NullMarked;
