/** Tests the benchmarks at tiny sizes, on the cpu and the emulated device. */
@NullMarked
package org.dpo4j.bench.device;

import org.jspecify.annotations.NullMarked;
