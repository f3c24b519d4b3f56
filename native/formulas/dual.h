// Dual numbers for a pair: they carry derivatives, so a formula of dual numbers also computes its gradient, by the chain rule.
#pragma once

#include "logistic.h"

namespace dpo4j {

// A number that depends on the two log-probs of a pair (chosen, rejected), and its derivatives with respect to them.
struct Dual {
  double value, d_chosen, d_rejected;
};

DPO4J_HOST_DEVICE inline Dual operator+(Dual a, Dual b) {
  return {a.value + b.value, a.d_chosen + b.d_chosen, a.d_rejected + b.d_rejected};
}
DPO4J_HOST_DEVICE inline Dual operator-(Dual a, Dual b) {
  return {a.value - b.value, a.d_chosen - b.d_chosen, a.d_rejected - b.d_rejected};
}
DPO4J_HOST_DEVICE inline Dual operator+(Dual a, double b) { return {a.value + b, a.d_chosen, a.d_rejected}; }
DPO4J_HOST_DEVICE inline Dual operator-(Dual a, double b) { return {a.value - b, a.d_chosen, a.d_rejected}; }
DPO4J_HOST_DEVICE inline Dual operator*(double a, Dual b) { return {a * b.value, a * b.d_chosen, a * b.d_rejected}; }
DPO4J_HOST_DEVICE inline Dual operator-(Dual a) { return {-a.value, -a.d_chosen, -a.d_rejected}; }

// f(x), given the value and the slope of f at x.value.
DPO4J_HOST_DEVICE inline Dual chain(double value, double slope, Dual x) { return {value, slope * x.d_chosen, slope * x.d_rejected}; }

DPO4J_HOST_DEVICE inline Dual softplus(Dual x) {
  const Softplus y = softplus(x.value);
  return chain(y.value, y.slope, x);
}
DPO4J_HOST_DEVICE_CALL inline Dual sigmoid(Dual x) {
  const Sigmoid y = sigmoid(x.value);
  return chain(y.value, y.slope, x);
}
DPO4J_HOST_DEVICE inline Dual square(Dual x) { return chain(x.value * x.value, 2 * x.value, x); }
DPO4J_HOST_DEVICE inline Dual positive_part(Dual x) { return x.value <= 0 ? Dual{0, 0, 0} : x; }  // NaN stays

}  // namespace dpo4j
