// The preference losses, once, for the CUDA kernel and for the CPU.
//
// One pair: x = beta ((pi_c - ref_c) - (pi_r - ref_r)), the margin of its rewards. A loss is a function of x:
//   sigmoid   (1-e) softplus(-x) + e softplus(x)    slope  e sigmoid(x) - (1-e) sigmoid(-x)
// with softplus(x) = log(1 + exp(x)) and e the label smoothing. The chain rule is the same for all: d loss / d pi_c = beta slope, and
// d loss / d pi_r = -beta slope.
//
// Everything goes through t = exp(-|x|), which is in [0, 1]: softplus(x) = max(x, 0) + log1p(t), and sigmoid(-|x|) = t / (1 + t) keeps its
// digits where 1 - sigmoid(|x|) would have lost them. Inputs are fp32; arithmetic is fp64, since a pair is four numbers: what is rounded is
// the result alone.
#pragma once

#include <math.h>

#include "dpo4j.h"

#ifdef __CUDACC__
#define DPO4J_HOST_DEVICE __host__ __device__
#else
#define DPO4J_HOST_DEVICE
#endif

namespace dpo4j {

struct LossOfMargin {
  double loss;
  double slope;  // d loss / d x
};

// log(1 + exp(x)), with t = exp(-|x|).
DPO4J_HOST_DEVICE inline double softplus(double x, double t) { return (x > 0 ? x : 0) + log1p(t); }

// 1 / (1 + exp(-x)), with t = exp(-|x|).
DPO4J_HOST_DEVICE inline double sigmoid(double x, double t) { return (x < 0 ? t : 1) / (1 + t); }

DPO4J_HOST_DEVICE inline LossOfMargin sigmoid_loss(double x, double smoothing) {
  const double t = exp(-fabs(x));
  // An infinite margin has one infinite softplus: without smoothing it must not meet a factor of 0.
  if (smoothing == 0) return {softplus(-x, t), -sigmoid(-x, t)};
  return {(1 - smoothing) * softplus(-x, t) + smoothing * softplus(x, t), smoothing * sigmoid(x, t) - (1 - smoothing) * sigmoid(-x, t)};
}

DPO4J_HOST_DEVICE inline LossOfMargin loss_of_margin(int32_t loss, double x, double smoothing) {
  switch (loss) {
    case DPO4J_LOSS_SIGMOID:
      return sigmoid_loss(x, smoothing);
    default:
      return {(double)NAN, (double)NAN};  // refused before the launch
  }
}

struct PairLoss {
  float loss;
  float d_chosen, d_rejected;     // gradient_scale * d loss / d pi
  double metrics[DPO4J_METRICS];  // what this pair adds to the metrics
};

// pi and ref of one pair. Reference-free: both references 0.
DPO4J_HOST_DEVICE inline PairLoss pair_loss(const dpo4j_preference& preference, float chosen, float rejected, float reference_chosen,
                                            float reference_rejected) {
  const double beta = preference.beta;
  const double reward_chosen = beta * ((double)chosen - reference_chosen);
  const double reward_rejected = beta * ((double)rejected - reference_rejected);
  const double margin = reward_chosen - reward_rejected;
  const LossOfMargin of = loss_of_margin(preference.loss, margin, preference.label_smoothing);

  PairLoss pair;
  pair.loss = (float)of.loss;
  pair.d_chosen = (float)(preference.gradient_scale * (beta * of.slope));
  pair.d_rejected = -pair.d_chosen;
  pair.metrics[DPO4J_METRIC_PAIRS] = 1;
  pair.metrics[DPO4J_METRIC_LOSS] = of.loss;
  pair.metrics[DPO4J_METRIC_REWARD_CHOSEN] = reward_chosen;
  pair.metrics[DPO4J_METRIC_REWARD_REJECTED] = reward_rejected;
  pair.metrics[DPO4J_METRIC_ACCURACY] = reward_chosen > reward_rejected ? 1 : 0;
  pair.metrics[DPO4J_METRIC_MARGIN] = margin;
  pair.metrics[DPO4J_METRIC_LOGP_CHOSEN] = chosen;
  pair.metrics[DPO4J_METRIC_LOGP_REJECTED] = rejected;
  return pair;
}

}  // namespace dpo4j
