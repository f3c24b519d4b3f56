package org.dpo4j.bench.device;

/** How large the tensors of benchmarks are. */
enum Scale {
    /** For a GPU. */
    GPU,
    /** For a CPU: few benchmarks have such sizes. */
    CPU,
    /** To see a benchmark run: no measurement. */
    TINY
}
