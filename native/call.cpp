#include "call.h"

#include <stdarg.h>
#include <stdio.h>

#include "cuda_failure.h"

namespace dpo4j {
namespace {

constexpr int64_t kMaxExtent = INT32_MAX;
constexpr int64_t kMaxCount = int64_t{1} << 56;

long long wide(int64_t value) { return value; }

}  // namespace

Call::Call(dpo4j_context* context, const char* operation) : context_(context), operation_(operation) {
  if (context == nullptr) {
    status_ = DPO4J_NULL_CONTEXT;
  } else {
    context->text[0] = 0;
  }
}

Call& Call::refuse(int32_t status, const char* format, ...) {
  if (refused()) return *this;
  status_ = status;
  char* text = context_->text;
  const size_t size = sizeof context_->text;
  const size_t head = snprintf(text, size, "%s: ", operation_);
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text + head, size - head, format, arguments);
  va_end(arguments);
  return *this;
}

bool Call::out_of_bounds(const char* name, int64_t value, int64_t min, int64_t max) {
  if (value < min) refuse(DPO4J_INVALID_ARGUMENT, "%s is %lld, must be at least %lld", name, wide(value), wide(min));
  if (value > max) refuse(DPO4J_INVALID_ARGUMENT, "%s is %lld, must be at most %lld", name, wide(value), wide(max));
  return false;
}

Call& Call::rows(const char* name, int64_t value) {
  if (bounded(name, value, 0, kMaxExtent) && value == 0) empty_ = true;
  return *this;
}

Call& Call::extent(const char* name, int64_t value) {
  bounded(name, value, 1, kMaxExtent);
  return *this;
}

Call& Call::count(const char* name, int64_t value) {
  if (bounded(name, value, 0, kMaxCount) && value == 0) empty_ = true;
  return *this;
}

Call& Call::stride(const char* name, int64_t value, const char* width_name, int64_t width, int32_t dtype) {
  if (!bounded(name, value, 0, kMaxExtent)) return *this;
  if (value < width) {
    return refuse(DPO4J_INVALID_ARGUMENT, "%s is %lld, must be at least %s = %lld", name, wide(value), width_name, wide(width));
  }
  if (value * element_bytes(dtype) % int64_t{kAlignment} != 0) {
    return refuse(DPO4J_INVALID_ARGUMENT, "%s is %lld, must be a multiple of %lld so that every row starts on 16 bytes", name, wide(value),
                  wide(int64_t{kAlignment} / element_bytes(dtype)));
  }
  return *this;
}

Call& Call::flag(const char* name, int32_t value) {
  bounded(name, value, 0, 1);
  return *this;
}

Call& Call::dtype(const char* name, int32_t value) {
  if (refused()) return *this;
  if (value == DPO4J_F16) {
    return refuse(DPO4J_UNSUPPORTED, "%s is DPO4J_F16, which only token_logprob takes: use DPO4J_F32 or DPO4J_BF16", name);
  }
  if (value != DPO4J_F32 && value != DPO4J_BF16) {
    return refuse(DPO4J_INVALID_ARGUMENT, "%s is %d, must be DPO4J_F32 (0) or DPO4J_BF16 (1)", name, value);
  }
  return *this;
}

Call& Call::logits_dtype(const char* name, int32_t value) {
  return require(value == DPO4J_F32 || value == DPO4J_BF16 || value == DPO4J_F16, name,
                 "must be DPO4J_F32 (0), DPO4J_BF16 (1) or DPO4J_F16 (2)");
}

void Call::check_address(const char* name, const void* address, uintptr_t alignment) {
  if (address == nullptr) {
    refuse(DPO4J_INVALID_ARGUMENT, "%s is null, must be an address on the context's device", name);
  } else if (reinterpret_cast<uintptr_t>(address) % alignment != 0) {
    refuse(DPO4J_INVALID_ARGUMENT, "%s is %p, must be aligned to %d bytes", name, address, static_cast<int>(alignment));
  }
}

Call& Call::params(const void* at) {
  if (!refused() && at == nullptr) refuse(DPO4J_INVALID_ARGUMENT, "params is null, must be a struct in host memory");
  return *this;
}

Call& Call::options(const char* name, const void* at) {
  if (!refused() && at == nullptr) refuse(DPO4J_INVALID_ARGUMENT, "%s is null, must be an options struct in host memory", name);
  return *this;
}

Call& Call::cap(const char* name, float cap) {
  constexpr float kMinCap = 1e-30f, kMaxCap = 1e30f;
  return option(name, cap, cap == 0 || (cap >= kMinCap && cap <= kMaxCap), "must be from 1e-30 to 1e30, or 0 for none");
}

Call& Call::transform(const dpo4j_logit_transform& transform) {
  const float scale = transform.scale;
  return option("scale", scale, finite(scale) && scale > 0, "must be finite and above 0")
      .cap("cap", transform.cap)
      .tensor_or_null("bias", transform.bias);
}

int32_t Call::launched([[maybe_unused]] int error) {
#ifdef DPO4J_WITH_CUDA
  if (error != 0) {
    char text[480];
    describe_failure(error, "the launch", text, sizeof text);
    refuse(DPO4J_DEVICE_ERROR, "%s", text);
  }
#endif
  return status_;
}

}  // namespace dpo4j
