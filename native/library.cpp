// Version and build of the library, CUDA devices, and host memory.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "cpu/cpu.h"
#include "cuda.h"
#include "dpo4j.h"
#include "text.h"

#ifdef DPO4J_EMULATED
#define DPO4J_EMULATED_TEXT "1"
#else
#define DPO4J_EMULATED_TEXT "0"
#endif

namespace {

constexpr size_t kHostAlignment = 64;
constexpr size_t kHugePage = size_t{2} << 20;
constexpr size_t kHuge = 4 * kHugePage;  // from this size on, allocations are padded to whole huge pages

#ifndef DPO4J_WITH_CUDA
constexpr char kNoKernels[] = "this build of dpo4j has no CUDA kernels: build it where nvcc is on the PATH, or use the cpu device";
#endif

const char* compiled_architectures() {
#ifdef DPO4J_WITH_CUDA
  return dpo4j::cuda::architectures();
#else
  return "none";
#endif
}

struct BuildInfo {
  char line[512];
  BuildInfo() {
    snprintf(line, sizeof line, "version=%s compiler=g++-%d.%d.%d cuda=%s emulated=%s", DPO4J_VERSION, __GNUC__, __GNUC_MINOR__,
             __GNUC_PATCHLEVEL__, compiled_architectures(), DPO4J_EMULATED_TEXT);
  }
};

#ifdef DPO4J_WITH_CUDA
int32_t answer(int error, char* text, size_t text_bytes) {
  dpo4j::copy_text(text, text_bytes, error == 0 ? "" : dpo4j::cuda::error_text(error));
  return error == 0 ? DPO4J_OK : DPO4J_DEVICE_ERROR;
}
#endif

}  // namespace

int32_t dpo4j_abi_version(void) { return DPO4J_ABI_VERSION; }

const char* dpo4j_build_info(void) {
  static const BuildInfo info;
  return info.line;
}

int32_t dpo4j_cpu_isa_best(void) { return dpo4j::cpu::best_isa(); }

int32_t dpo4j_cuda_device_count(int32_t* count, char* text, size_t text_bytes) {
  int32_t ignored;
  if (count == nullptr) count = &ignored;
  *count = 0;
#ifdef DPO4J_WITH_CUDA
  return answer(dpo4j::cuda::device_count(count), text, text_bytes);
#else
  dpo4j::copy_text(text, text_bytes, kNoKernels);
  return DPO4J_UNSUPPORTED;
#endif
}

int32_t dpo4j_cuda_device_info([[maybe_unused]] int32_t ordinal, [[maybe_unused]] char* name, [[maybe_unused]] size_t name_bytes,
                               [[maybe_unused]] int32_t* capability, [[maybe_unused]] int64_t* memory_bytes,
                               [[maybe_unused]] int32_t* driver_version, char* text, size_t text_bytes) {
#ifdef DPO4J_WITH_CUDA
  return answer(dpo4j::cuda::device_info(ordinal, name, name_bytes, capability, memory_bytes, driver_version), text, text_bytes);
#else
  dpo4j::copy_text(text, text_bytes, kNoKernels);
  return DPO4J_UNSUPPORTED;
#endif
}

int32_t dpo4j_cuda_max_cluster([[maybe_unused]] int32_t ordinal, int32_t* blocks, char* text, size_t text_bytes) {
  int32_t ignored;
  if (blocks == nullptr) blocks = &ignored;
  *blocks = 1;
#ifdef DPO4J_WITH_CUDA
  return answer(dpo4j::cuda::max_cluster(ordinal, blocks), text, text_bytes);
#else
  dpo4j::copy_text(text, text_bytes, kNoKernels);
  return DPO4J_UNSUPPORTED;
#endif
}

void* dpo4j_host_allocate(size_t bytes) {
  if (bytes > SIZE_MAX - kHugePage) return nullptr;
  const size_t alignment = bytes < kHuge ? kHostAlignment : kHugePage;
  const size_t whole = (bytes + alignment - 1) / alignment * alignment;
  void* address = aligned_alloc(alignment, whole == 0 ? alignment : whole);
#ifdef MADV_HUGEPAGE
  // The call is a hint, so its status is ignored. With pages of 2 MiB, operations that stream through memory run up to 1.5 times as fast.
  if (address != nullptr && bytes >= kHuge) madvise(address, whole, MADV_HUGEPAGE);
#endif
  return address;
}

void dpo4j_host_free(void* address) { free(address); }

void dpo4j_host_copy(void* destination, const void* source, size_t bytes) {
  if (bytes != 0) memcpy(destination, source, bytes);
}

void dpo4j_host_fill(void* destination, int32_t byte, size_t bytes) {
  if (bytes != 0) memset(destination, byte, bytes);
}
