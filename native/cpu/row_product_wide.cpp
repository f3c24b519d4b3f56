// row_product.h with vectors of AVX-512: for three rows or more, or b in panels.
#include "packed_product.h"
#include "row_product.h"

namespace dpo4j::cpu::DPO4J_ISA {

void multiply_rows(const RowProduct& p, float* packed) {
  constexpr int64_t kBytes = sizeof(float);
  const auto a = reinterpret_cast<const char*>(p.a), b = reinterpret_cast<const char*>(p.b);
  const auto first = reinterpret_cast<uint32_t*>(packed);
  const ColumnsProduct product = {p.c,
                                  a,
                                  b,
                                  p.c_stride,
                                  p.a_stride * kBytes,
                                  p.b_stride * kBytes,
                                  p.rows,
                                  p.columns / kLanes,
                                  p.k,
                                  kBytes,
                                  p.accumulate,
                                  {first, first + kPackedFloats / 2}};
  const auto split = [&](int64_t left) { return split_k(left, p.block); };
  if (p.has_panels) return multiply_panels<Fp32Words>(product, split);
  multiply_columns<Fp32Words>(product, split);
}

}  // namespace dpo4j::cpu::DPO4J_ISA
