// Forward:  y = w x r, w = weight + weight_offset, r = 1 / sqrt(mean(x^2) + epsilon). 8 bytes per element: the second read of a row hits the cache. 16 bytes if x is a
//   sum that is computed in the same pass. If the sum of squares of a row overflows, the row becomes NaN: 1 / infinity would make it 0,
//   which looks like a valid result.
// Backward: d_x = d_residual + r (w d - x r^2 mean(w d x)), d_w += sum over rows of d x r. 16 bytes per element.
//   d_w is a sum over rows. The rows are cut into blocks (row_blocks.h), each block is summed in order, and then the blocks are added in
//   order. How rows are cut depends only on their number. The workspace holds one partial d_w per block.
// A row with several groups counts as so many rows.
#include <math.h>

#include "cpu.h"
#include "row_blocks.h"
#include "storage.h"

namespace dpo4j::cpu::DPO4J_ISA {
namespace {

// The first element of a group, where `index` counts the groups of all rows.
template <class Params>
int64_t group_begin(const Params& p, int64_t index, int64_t stride) {
  return index / p.groups * stride + index % p.groups * p.width;
}

template <class T>
void forward_group(const dpo4j_rms_norm_forward_params& p, int64_t index) {
  const int64_t begin = group_begin(p, index, p.x_stride);
  const T* x = static_cast<const T*>(p.x) + begin;
  const T* weight = static_cast<const T*>(p.weight);
  T* out = static_cast<T*>(p.out) + group_begin(p, index, p.out_stride);
  if (p.residual != nullptr) {
    const T* residual = static_cast<const T*>(p.residual) + begin;
    T* sum = static_cast<T*>(p.sum) + begin;
    each_vector(p.width, [&](int64_t i, auto lanes) { store(sum + i, load(x + i, lanes) + load(residual + i, lanes), lanes); });
    x = sum;
  }
  const float squares = sum_over(p.width, [&](int64_t i, auto lanes) {
    const Floats v = load(x + i, lanes);
    return v * v;
  });
  const float rstd = squares < INFINITY ? 1 / __builtin_sqrtf(squares / static_cast<float>(p.mean_width) + p.epsilon) : NAN;
  p.rstd[index] = rstd;
  const Floats offset = all(p.weight_offset);
  each_vector(p.width,
              [&](int64_t i, auto lanes) { store(out + i, (load(weight + i, lanes) + offset) * (load(x + i, lanes) * rstd), lanes); });
}

// Adds this group's part of d_weight to `partial`.
template <class T>
void backward_group(const dpo4j_rms_norm_backward_params& p, int64_t index, float* partial) {
  const int64_t begin = group_begin(p, index, p.out_stride);
  const T* x = static_cast<const T*>(p.x) + group_begin(p, index, p.x_stride);
  const T* d_out = static_cast<const T*>(p.d_out) + begin;
  const T* d_residual = p.d_residual == nullptr ? nullptr : static_cast<const T*>(p.d_residual) + begin;
  const T* weight = static_cast<const T*>(p.weight);
  T* d_x = static_cast<T*>(p.d_x) + begin;
  const float rstd = p.rstd[index];
  const Floats offset = all(p.weight_offset);
  const float dot = sum_over(
      p.width, [&](int64_t i, auto lanes) { return (load(weight + i, lanes) + offset) * load(d_out + i, lanes) * load(x + i, lanes); });
  const float shrink = dot / static_cast<float>(p.mean_width) * rstd * rstd;
  each_vector(p.width, [&](int64_t i, auto lanes) {
    const Floats v = load(x + i, lanes);
    const Floats d = load(d_out + i, lanes);
    const Floats residual = d_residual == nullptr ? all(0) : load(d_residual + i, lanes);
    store(partial + i, fma(d, v * rstd, load(partial + i, lanes)), lanes);
    store(d_x + i, residual + ((load(weight + i, lanes) + offset) * d - v * shrink) * rstd, lanes);
  });
}

}  // namespace

void run(Threads& threads, const dpo4j_rms_norm_forward_params& p) {
  with_storage(p.dtype, [&](auto stored) {
    parallel_ranges(threads, p.rows * p.groups, rows_per_task(p.width), [&](int64_t begin, int64_t end) {
      for (int64_t index = begin; index < end; index++) forward_group<decltype(stored)>(p, index);
    });
  });
}

void run(Threads& threads, const dpo4j_rms_norm_backward_params& p) {
  float* partials = static_cast<float*>(p.workspace);
  const int64_t count = p.rows * p.groups;
  const int64_t blocks = row_blocks(count);
  with_storage(p.dtype, [&](auto stored) {
    parallel(threads, blocks, [&](int64_t block, void*) {
      float* partial = partials + block * p.width;
      each_vector(p.width, [&](int64_t i, auto lanes) { store(partial + i, all(0), lanes); });
      for (int64_t i = block_begin(count, block); i < block_begin(count, block + 1); i++) backward_group<decltype(stored)>(p, i, partial);
    });
  });
  if (p.d_weight == nullptr) return;
  parallel_ranges(threads, p.width, rows_per_task(blocks), [&](int64_t begin, int64_t end) {
    each_vector(end - begin, [&](int64_t i, auto lanes) {
      Floats sum = all(0);
      for (int64_t block = 0; block < blocks; block++) sum += load(partials + block * p.width + begin + i, lanes);
      store(p.d_weight + begin + i, load(p.d_weight + begin + i, lanes) + sum, lanes);
    });
  });
}

}  // namespace dpo4j::cpu::DPO4J_ISA
