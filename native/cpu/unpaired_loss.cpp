// Loss, gradient and metrics of each completion by the formulas of native/formulas/unpaired_loss.h, from first to last.
#include "formulas/unpaired_loss.h"

#include "cpu.h"

namespace dpo4j::cpu {

void run(Cpu&, const dpo4j_unpaired_loss_params& p) {
  double kl_sum = 0;
  for (int64_t i = 0; i < p.kl_completions; i++) kl_sum += static_cast<double>(p.kl_sums[i]) - p.kl_reference[i];
  const double kl = kl_of(p, kl_sum);
  double sums[kUnpairedSums] = {};
  for (int64_t i = 0; i < p.completions; i++) {
    write_completion(p, i, kl);
    add_metrics(sums, p, i);
  }
  if (p.metrics != nullptr) write_metrics(p, sums, kl);
}

}  // namespace dpo4j::cpu
