package org.dpo4j.bench.device;

/** The size of the tensors of benchmarks. */
enum Scale {
    /** For a GPU. */
    GPU,
    /** For a CPU. Few benchmarks have shapes of this scale. */
    CPU,
    /** Checks that a benchmark runs. Its times are not measurements. */
    TINY
}
