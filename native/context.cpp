#include "context.h"

#include <new>

#include "cuda_failure.h"
#include "kernel_names.h"
#include "text.h"

namespace {

using dpo4j::cpu::best_isa;
using dpo4j::cpu::Cpu;

constexpr int32_t kMaxThreads = 1024;

// Starting threads and allocating memory may throw, but no exception may leave a C function.
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
  if (threads < 0 || threads > kMaxThreads || isa < DPO4J_ISA_AUTO || isa > DPO4J_ISA_AVX512) return DPO4J_INVALID_ARGUMENT;
  if (isa > best_isa()) return DPO4J_UNSUPPORTED;
  std::unique_ptr<Cpu> cpu = start_cpu(threads, isa == DPO4J_ISA_AUTO ? best_isa() : isa);
  if (!cpu) return DPO4J_DEVICE_ERROR;
  *context = new (std::nothrow) dpo4j_context{DPO4J_CPU, std::move(cpu), {}, {}};
  return *context != nullptr ? DPO4J_OK : DPO4J_DEVICE_ERROR;
}

int32_t dpo4j_cuda_context_create(dpo4j_context** context, [[maybe_unused]] int32_t ordinal, [[maybe_unused]] void* stream,
                                  const char* without, int32_t resident_clusters, char* text, size_t text_bytes) {
  const auto refuse = [&](int32_t status, const char* sentence) {
    dpo4j::copy_text(text, text_bytes, sentence);
    return status;
  };
  if (context == nullptr) return refuse(DPO4J_INVALID_ARGUMENT, "context is null");
  *context = nullptr;
  if (ordinal < 0) return refuse(DPO4J_INVALID_ARGUMENT, "ordinal is negative");
  if (resident_clusters < 0) return refuse(DPO4J_INVALID_ARGUMENT, "resident_clusters is negative");
  uint32_t kernels_off;
  if (!dpo4j::kernels_named(without, &kernels_off, text, text_bytes)) return DPO4J_INVALID_ARGUMENT;
#ifdef DPO4J_WITH_CUDA
  dpo4j::cuda::LaunchContext launch_context{};
  const int error = dpo4j::cuda::make_launch_context(&launch_context, ordinal, stream);
  if (error != 0) {
    dpo4j::describe_failure(error, "asking the device for its attributes", text, text_bytes);
    return DPO4J_DEVICE_ERROR;
  }
  launch_context.without = kernels_off;
  launch_context.resident_clusters = resident_clusters;
  *context = new (std::nothrow) dpo4j_context{DPO4J_CUDA, nullptr, launch_context, {}};
  return *context != nullptr ? DPO4J_OK : refuse(DPO4J_DEVICE_ERROR, "the host has no memory for a context");
#else
  return refuse(DPO4J_UNSUPPORTED, "this build of dpo4j has no CUDA kernels");
#endif
}

void dpo4j_context_destroy(dpo4j_context* context) { delete context; }

const char* dpo4j_error_text(const dpo4j_context* context) { return context != nullptr ? context->text : "the context is null"; }
