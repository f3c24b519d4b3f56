// A call of an operation while its arguments are checked: a chain of requirements that ends in run(). The first requirement that fails sets
// status and text; later ones are skipped. A call of zero rows checks no addresses and runs nothing.
#pragma once

#include "context.h"

namespace dpo4j {

class Call {
 public:
  Call(dpo4j_context* context, const char* operation);

  // F32 or BF16.
  Call& dtype(const char* name, int32_t value);
  // One of the three dtypes, on every device.
  Call& logits_dtype(const char* name, int32_t value);
  // rows() requires 0 <= value < 2^31; a call with value 0 does nothing. extent() requires 0 < value < 2^31. So a product of two such
  // values fits an int64.
  Call& rows(const char* name, int64_t value);
  Call& extent(const char* name, int64_t value);
  // The number of elements of a flat buffer, which may exceed an int32. Zero: nothing to do.
  Call& count(const char* name, int64_t value);
  // Elements between starts of rows: at least the row's width, and a multiple of 16 bytes of `dtype`.
  Call& stride(const char* name, int64_t value, const char* width_name, int64_t width, int32_t dtype);
  Call& flag(const char* name, int32_t value);
  // An address of the device: not null and 16-byte aligned.
  Call& tensor(const char* name, const void* at) { return address(name, at, kAlignment, false); }
  Call& tensor_or_null(const char* name, const void* at) { return address(name, at, kAlignment, true); }
  // The same with 4-byte alignment: index arrays, and arrays of one number per row, where a call may start at any row.
  Call& words(const char* name, const void* at) { return address(name, at, kWord, false); }
  Call& words_or_null(const char* name, const void* at) { return address(name, at, kWord, true); }
  // Requires a params struct. The caller may read its fields only if the call is not refused so far.
  Call& params(const void* address);
  // An options struct in host memory.
  Call& options(const char* name, const void* address);
  // An option that is a number. `requirement` follows its value: "beta is -1, must be above 0".
  Call& option(const char* name, double value, bool holds, const char* requirement) {
    if (!holds) refuse(DPO4J_INVALID_ARGUMENT, "%s is %g, %s", name, value, requirement);
    return *this;
  }
  // A soft cap: 0, or large enough to divide by.
  Call& cap(const char* name, float cap);
  // The transform of a logit: `bias` is a tensor or null, `scale` is above 0.
  Call& transform(const dpo4j_logit_transform& transform);
  // Any other requirement. `requirement` follows the name of the argument: "beta must be finite and above 0".
  Call& require(bool holds, const char* name, const char* requirement) {
    if (!holds) refuse(DPO4J_INVALID_ARGUMENT, "%s %s", name, requirement);
    return *this;
  }
  // Something that this device or build may lack, and what to do then.
  Call& supported(bool is, const char* lack, const char* advice = "") {
    if (!is) refuse(DPO4J_UNSUPPORTED, "%s%s", lack, advice);
    return *this;
  }

  int32_t status() const { return status_; }
  bool refused() const { return status_ != DPO4J_OK; }
  bool skipped() const { return refused() || empty_; }
  bool on_cpu() const { return context_ != nullptr && context_->device == DPO4J_CPU; }

  template <class Params>
  int32_t run(const Params& params) {
    if (skipped()) return status_;
    if (on_cpu()) {
      cpu::run(*context_->cpu, params);
      return DPO4J_OK;
    }
    return launch(params);
  }

  // For operations that no CPU overload serves, or no CUDA overload.
  template <class Params>
  int32_t run_on_cuda(const Params& params) {
    return skipped() ? status_ : launch(params);
  }
  template <class Params>
  int32_t run_on_cpu(const Params& params) {
    if (!skipped()) cpu::run(*context_->cpu, params);
    return status_;
  }

 private:
  template <class Params>
  int32_t launch([[maybe_unused]] const Params& params) {
#ifdef DPO4J_WITH_CUDA
    return launched(cuda::run(context_->cuda, params));
#else
    return status_;  // no cuda context can exist in this build
#endif
  }

  int32_t launched(int error);
  Call& refuse(int32_t status, const char* format, ...) __attribute__((format(printf, 3, 4)));
  // The check of a requirement is inline, because nearly every call is accepted.
  Call& address(const char* name, const void* address, uintptr_t alignment, bool may_be_null) {
    if (!skipped() && (address != nullptr || !may_be_null)) check_address(name, address, alignment);
    return *this;
  }
  bool bounded(const char* name, int64_t value, int64_t min, int64_t max) {
    if (refused()) return false;
    return (value >= min && value <= max) || out_of_bounds(name, value, min, max);
  }
  void check_address(const char* name, const void* address, uintptr_t alignment);
  bool out_of_bounds(const char* name, int64_t value, int64_t min, int64_t max);

  static constexpr uintptr_t kAlignment = 16, kWord = 4;

  dpo4j_context* const context_;
  const char* const operation_;
  int32_t status_ = DPO4J_OK;
  bool empty_ = false;
};

// True for finite numbers. Requirements use it, because a comparison with NaN is false.
inline bool finite(float value) { return value - value == 0; }

// Bytes of one element. Meaningful for the dtypes that dpo4j.h names.
inline int64_t element_bytes(int32_t dtype) { return dtype == DPO4J_F32 ? 4 : 2; }

}  // namespace dpo4j
