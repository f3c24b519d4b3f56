/** What the benchmarks promise, seen to hold at tiny sizes on the cpu and emulated. */
@NullMarked
package org.dpo4j.bench.device;

import org.jspecify.annotations.NullMarked;
