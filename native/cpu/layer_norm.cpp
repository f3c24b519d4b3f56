// Forward:  y = w (x - mean) r + b, r = 1 / sqrt(variance + epsilon). The first mean is a sum of x. Its rounding error is that of the
//   magnitudes of x, which may be far above their deviations. So the deviations from it are summed too, which gives the rest of the mean, and
//   variance = mean(deviation^2) - mean(deviation)^2 (Chan, Golub and LeVeque 1983, the corrected two-pass algorithm). 8 bytes per element:
//   all reads of a row but the first hit the cache. 16 bytes if x is a sum that is computed in the same pass. If the sum of squares of a row
//   overflows, the row becomes NaN: 1 / infinity would make it b, which looks like a valid result.
// Backward, with g = w d and n = (x - mean) r: d_x = d_residual + r (g - mean(g) - n mean(g n)), d_w += sum over rows of d n, d_b += sum
//   over rows of d. 16 bytes per element. The sums over rows are cut into blocks (row_blocks.h), each block is summed in order, and then the
//   blocks are added in order. How rows are cut depends only on their number. The workspace holds a partial d_w and d_b per block.
#include <math.h>

#include "cpu.h"
#include "row_blocks.h"
#include "storage.h"

namespace dpo4j::cpu::DPO4J_ISA {
namespace {

template <class T>
void clear(T* begin, int64_t count) {
  each_vector(count, [&](int64_t i, auto lanes) { store(begin + i, all(0), lanes); });
}

template <class T>
void clear_padding(T* row, int64_t mean_width, int64_t width) {
  clear(row + mean_width, width - mean_width);
}

// x - mean, 0 in lanes outside the row.
template <class T, class Lanes>
DPO4J_INLINE Floats deviations(const T* x, float mean, Lanes lanes) {
  return load(x, lanes, mean) - mean;
}

template <class T>
void forward_row(const dpo4j_layer_norm_forward_params& p, int64_t row) {
  const int64_t begin = row * p.width, count = p.mean_width;
  const T* x = static_cast<const T*>(p.x) + begin;
  const T* weight = static_cast<const T*>(p.weight);
  const T* bias = static_cast<const T*>(p.bias);
  T* out = static_cast<T*>(p.out) + begin;
  if (p.residual != nullptr) {
    const T* residual = static_cast<const T*>(p.residual) + begin;
    T* sum = static_cast<T*>(p.sum) + begin;
    each_vector(count, [&](int64_t i, auto lanes) { store(sum + i, load(x + i, lanes) + load(residual + i, lanes), lanes); });
    clear_padding(sum, count, p.width);
    x = sum;
  }
  const float n = static_cast<float>(count);
  const float mean = sum_over(count, [&](int64_t i, auto lanes) { return load(x + i, lanes); }) / n;
  const float rest = sum_over(count, [&](int64_t i, auto lanes) { return deviations(x + i, mean, lanes); }) / n;
  const float squares = sum_over(count, [&](int64_t i, auto lanes) {
    const Floats d = deviations(x + i, mean, lanes);
    return d * d;
  });
  const float variance = squares / n - rest * rest;  // not below 0, but for rounding
  const float rstd = squares < INFINITY ? 1 / __builtin_sqrtf((variance > 0 ? variance : 0) + p.epsilon) : NAN;
  p.mean[row] = mean + rest;
  p.rstd[row] = rstd;
  each_vector(count, [&](int64_t i, auto lanes) {
    const Floats normed = (load(x + i, lanes) - mean - rest) * rstd;
    store(out + i, fma(load(weight + i, lanes), normed, load(bias + i, lanes)), lanes);
  });
  clear_padding(out, count, p.width);
}

// Adds this row's parts of d_weight and d_bias to `d_weight` and `d_bias`.
template <class T>
void backward_row(const dpo4j_layer_norm_backward_params& p, int64_t row, float* d_weight, float* d_bias) {
  const int64_t begin = row * p.width, count = p.mean_width;
  const T* x = static_cast<const T*>(p.x) + begin;
  const T* d_out = static_cast<const T*>(p.d_out) + begin;
  const T* d_residual = p.d_residual == nullptr ? nullptr : static_cast<const T*>(p.d_residual) + begin;
  const T* weight = static_cast<const T*>(p.weight);
  T* d_x = static_cast<T*>(p.d_x) + begin;
  const float n = static_cast<float>(count), mean = p.mean[row], rstd = p.rstd[row];
  const float level = sum_over(count, [&](int64_t i, auto lanes) { return load(weight + i, lanes) * load(d_out + i, lanes); }) / n;
  const float slope = sum_over(count,
                               [&](int64_t i, auto lanes) {
                                 return load(weight + i, lanes) * load(d_out + i, lanes) * (deviations(x + i, mean, lanes) * rstd);
                               }) /
                      n;
  each_vector(count, [&](int64_t i, auto lanes) {
    const Floats d = load(d_out + i, lanes);
    const Floats normed = deviations(x + i, mean, lanes) * rstd;
    const Floats residual = d_residual == nullptr ? all(0) : load(d_residual + i, lanes);
    store(d_weight + i, fma(d, normed, load(d_weight + i, lanes)), lanes);
    store(d_bias + i, d + load(d_bias + i, lanes), lanes);
    store(d_x + i, residual + (load(weight + i, lanes) * d - level - normed * slope) * rstd, lanes);
  });
  clear_padding(d_x, count, p.width);
}

}  // namespace

void run(Threads& threads, const dpo4j_layer_norm_forward_params& p) {
  with_storage(p.dtype, [&](auto stored) {
    parallel_ranges(threads, p.rows, rows_per_task(p.width), [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; row++) forward_row<decltype(stored)>(p, row);
    });
  });
}

void run(Threads& threads, const dpo4j_layer_norm_backward_params& p) {
  float* const partials = static_cast<float*>(p.workspace);  // [blocks][d_weight, d_bias][width]
  const int64_t blocks = row_blocks(p.rows);
  with_storage(p.dtype, [&](auto stored) {
    parallel(threads, blocks, [&](int64_t block, void*) {
      float* const d_weight = partials + 2 * block * p.width;
      float* const d_bias = d_weight + p.width;
      clear(d_weight, 2 * p.width);
      for (int64_t row = block_begin(p.rows, block); row < block_begin(p.rows, block + 1); row++)
        backward_row<decltype(stored)>(p, row, d_weight, d_bias);
    });
  });
  if (p.d_weight == nullptr) return;
  parallel_ranges(threads, p.mean_width, rows_per_task(2 * blocks), [&](int64_t begin, int64_t end) {
    each_vector(end - begin, [&](int64_t i, auto lanes) {
      Floats d_weight = all(0), d_bias = all(0);
      for (int64_t block = 0; block < blocks; block++) {
        const float* const partial = partials + 2 * block * p.width + begin + i;
        d_weight += load(partial, lanes);
        d_bias += load(partial + p.width, lanes);
      }
      store(p.d_weight + begin + i, load(p.d_weight + begin + i, lanes) + d_weight, lanes);
      store(p.d_bias + begin + i, load(p.d_bias + begin + i, lanes) + d_bias, lanes);
    });
  });
}

}  // namespace dpo4j::cpu::DPO4J_ISA
