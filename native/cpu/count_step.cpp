// Counts a step that is applied, derives AdamW's bias corrections, and restores the sums of a step that is skipped.
#include <math.h>

#include <algorithm>

#include "cpu.h"
#include "formulas/bias_correction.h"

namespace dpo4j::cpu {

void run(Cpu&, const dpo4j_count_step_params& p) {
  if (p.loss != nullptr && !isfinite(*p.loss)) *p.clip = NAN;
  const bool is_skipped = isnan(*p.clip);
  if (!is_skipped) ++*p.steps;
  if (p.corrections != nullptr) {
    p.corrections[0] = bias_correction(p.beta1, *p.steps);
    p.corrections[1] = bias_correction(p.beta2, *p.steps);
  }
  const double* from = is_skipped ? p.kept : p.sums;
  std::copy(from, from + p.count, is_skipped ? p.sums : p.kept);
}

}  // namespace dpo4j::cpu
