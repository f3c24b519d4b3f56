// The transform of logits: bias, scale and soft cap.
#pragma once

#include "../dpo4j.h"
#include "logits.h"

namespace dpo4j::cpu::DPO4J_ISA {

struct TransformedLogit {
  Floats z, slope;  // slope: dz / d logit
};

// cap tanh(scale (x + bias) / cap), or scale (x + bias). Multiplication and addition are not fused, so that a single logit gets the same
// bits as a vector of logits.
struct Transform {
  const float* bias;
  Floats scale, cap, over_cap;
  bool capped;
  explicit Transform(const dpo4j_logit_transform& by)
      : bias(by.bias), scale(all(by.scale)), cap(all(by.cap)), over_cap(all(by.cap == 0 ? 0 : 1 / by.cap)), capped(by.cap != 0) {}

  DPO4J_INLINE TransformedLogit apply(Floats logits, Floats bias_of_logits) const {
    const Floats scaled = scale * (logits + bias_of_logits);
    if (!capped) return {scaled, scale};
    const Floats t = tanh(scaled * over_cap);
    return {scaled == -kInfinity ? scaled : cap * t, scale * ((1 - t) * (1 + t))};
  }

  template <class T>
  DPO4J_INLINE TransformedLogit apply(const T* logits, int64_t column) const {
    return apply(load(logits + column), bias != nullptr ? load(bias + column) : Floats{});
  }

  template <class T>
  DPO4J_INLINE TransformedLogit apply_one(T logit, int64_t column) const {
    return apply(all(widen(logit)), all(bias != nullptr ? bias[column] : 0));
  }
};

}  // namespace dpo4j::cpu::DPO4J_ISA
