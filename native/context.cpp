#include "context.h"

#include <new>

namespace {

using dpo4j::cpu::best_isa;
using dpo4j::cpu::Cpu;

constexpr int32_t kMostThreads = 1024;

// Threads may not start and memory may not be there; neither may throw through a C call.
std::unique_ptr<Cpu> start_cpu(int32_t threads, int32_t isa) {
  try {
    return std::make_unique<Cpu>(threads == 0 ? dpo4j::cpu::usable_processors() : threads, isa);
  } catch (...) {
    return nullptr;
  }
}

}  // namespace

int32_t dpo4j_cpu_context_create(dpo4j_context** context, int32_t threads, int32_t isa) {
  if (context == nullptr) return DPO4J_INVALID_ARGUMENT;
  *context = nullptr;
  if (threads < 0 || threads > kMostThreads || isa < DPO4J_ISA_AUTO || isa > DPO4J_ISA_AVX512) return DPO4J_INVALID_ARGUMENT;
  if (isa > best_isa()) return DPO4J_UNSUPPORTED;
  std::unique_ptr<Cpu> cpu = start_cpu(threads, isa == DPO4J_ISA_AUTO ? best_isa() : isa);
  if (!cpu) return DPO4J_DEVICE_ERROR;
  *context = new (std::nothrow) dpo4j_context{DPO4J_CPU, std::move(cpu), {}, {}};
  return *context != nullptr ? DPO4J_OK : DPO4J_DEVICE_ERROR;
}

int32_t dpo4j_cuda_context_create(dpo4j_context** context, [[maybe_unused]] int32_t ordinal, [[maybe_unused]] void* stream) {
  if (context == nullptr) return DPO4J_INVALID_ARGUMENT;
  *context = nullptr;
#ifdef DPO4J_WITH_CUDA
  if (ordinal < 0) return DPO4J_INVALID_ARGUMENT;
  dpo4j::cuda::Queue queue{};
  if (dpo4j::cuda::open_queue(&queue, ordinal, stream) != 0) return DPO4J_DEVICE_ERROR;
  *context = new (std::nothrow) dpo4j_context{DPO4J_CUDA, nullptr, queue, {}};
  return *context != nullptr ? DPO4J_OK : DPO4J_DEVICE_ERROR;
#else
  return DPO4J_UNSUPPORTED;
#endif
}

void dpo4j_context_destroy(dpo4j_context* context) { delete context; }

const char* dpo4j_error_text(const dpo4j_context* context) { return context != nullptr ? context->text : "the context is null"; }
