#include "cpu.h"

#include <sched.h>

#include <thread>

namespace dpo4j::cpu {

int32_t best_isa() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512vl");
  return avx512 ? DPO4J_ISA_AVX512 : avx2 ? DPO4J_ISA_AVX2 : DPO4J_ISA_PORTABLE;
#else
  return DPO4J_ISA_PORTABLE;
#endif
}

bool has_avx512_bf16() {
#if defined(__x86_64__)
  return best_isa() == DPO4J_ISA_AVX512 && __builtin_cpu_supports("avx512bf16");
#else
  return false;
#endif
}

int32_t usable_processors() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0) return CPU_COUNT(&set);
  const unsigned processors = std::thread::hardware_concurrency();
  return processors == 0 ? 1 : static_cast<int32_t>(processors);
}

#ifdef DPO4J_X86_64
#define DPO4J_FORWARD(Params)                      \
  void run(Cpu& cpu, const Params& params) {       \
    switch (cpu.isa) {                             \
      case DPO4J_ISA_AVX512:                       \
        return avx512::run(cpu.threads, params);   \
      case DPO4J_ISA_AVX2:                         \
        return avx2::run(cpu.threads, params);     \
      default:                                     \
        return portable::run(cpu.threads, params); \
    }                                              \
  }
#else
#define DPO4J_FORWARD(Params) \
  void run(Cpu& cpu, const Params& params) { portable::run(cpu.threads, params); }
#endif
DPO4J_CPU_VECTOR_OPERATIONS(DPO4J_FORWARD)
#undef DPO4J_FORWARD

}  // namespace dpo4j::cpu
