// Shared by the CUDA kernels and the CPU for token_logprob: whether logits have a transform.
#pragma once

#include "dpo4j.h"
#include "host_device.h"

namespace dpo4j {

// Whether the transform leaves the logits unchanged.
DPO4J_HOST_DEVICE inline bool is_identity(const dpo4j_logit_transform& transform) {
  return transform.bias == nullptr && transform.scale == 1 && transform.cap == 0;
}

}  // namespace dpo4j
