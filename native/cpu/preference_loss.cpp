// Loss, gradients and metrics of each pair by the formulas of kernels/preference_loss.cuh; metrics are added in the order of the pairs.
#include "preference_loss.cuh"

#include "cpu.h"

namespace dpo4j::cpu {

void run(Cpu&, const PreferenceLoss& p) {
  for (int64_t pair = 0; pair < p.pairs; pair++) {
    const int64_t chosen = 2 * pair, rejected = chosen + 1;
    const bool free = p.reference == nullptr;
    const PairLoss of =
        pair_loss(p.preference, p.sums[chosen], p.sums[rejected], free ? 0 : p.reference[chosen], free ? 0 : p.reference[rejected]);
    p.losses[pair] = of.loss;
    p.d_sums[chosen] = of.d_chosen;
    p.d_sums[rejected] = of.d_rejected;
    for (int metric = 0; p.metrics != nullptr && metric < DPO4J_METRICS; metric++) p.metrics[metric] += of.metrics[metric];
  }
}

}  // namespace dpo4j::cpu
