// A matrix from 4-bit codes. A block of 64 elements has 16 products of a number of the map and the absmax, which are computed first. 4.5 bytes
// per element.
#include "cpu.h"
#include "formulas/four_bit.h"
#include "logits.h"

namespace dpo4j::cpu::DPO4J_ISA {
namespace {

static_assert(kFourBitCodes % kLanes == 0, "whole vectors");

// The 16 numbers of a block, as stored.
template <class T>
struct Block {
  T values[kFourBitCodes];
};

float absmax(const dpo4j_dequantize_4bit_params& p, int64_t block) {
  if (p.absmax != nullptr) return p.absmax[block];
  return p.nested_map[p.nested[block]] * p.nested_absmax[block / kNestedBlock] + p.nested_offset;
}

// Rounded to value_dtype, as fp32.
Floats rounded_value(int32_t value_dtype, Floats x) {
  if (value_dtype == DPO4J_BF16) return (Floats)(round_to_bf16(x) & kUpperHalf);
  if (value_dtype == DPO4J_F32) return x;
  F16 halves[kLanes];
  store(halves, x);
  return load(halves);
}

template <class T>
Block<T> decode(const dpo4j_dequantize_4bit_params& p, const float* map, int64_t block) {
  Block<T> decoded;
  const Floats factor = all(absmax(p, block));
  for (int code = 0; code < kFourBitCodes; code += kLanes) {
    store(decoded.values + code, rounded_value(p.value_dtype, load(map + code, Whole{}) * factor), Whole{});
  }
  return decoded;
}

int code_at(const uint8_t* codes, int64_t element) {
  return element % 2 == 0 ? first_code(codes[element / 2]) : second_code(codes[element / 2]);
}

// Elements [begin, end) of the quantised matrix, which are in one block.
template <class T>
void copy(T* out, const Block<T>& block, const uint8_t* codes, int64_t begin, int64_t end) {
  int64_t element = begin;
  if (element < end && element % 2 != 0) *out++ = block.values[code_at(codes, element++)];
  for (; element + 1 < end; element += 2) {
    const uint8_t pair = codes[element / 2];
    *out++ = block.values[first_code(pair)];
    *out++ = block.values[second_code(pair)];
  }
  if (element < end) *out = block.values[code_at(codes, element)];
}

template <class T>
void dequantize(Threads& threads, const dpo4j_dequantize_4bit_params& p) {
  float map[kFourBitCodes];
  for (int code = 0; code < kFourBitCodes; code++) map[code] = four_bit_value(p.quant_type, code);
  const int64_t stride = p.width / p.group * p.group_stride;
  parallel_ranges(threads, p.rows, rows_per_task(stride), [&](int64_t first, int64_t last) {
    int64_t decoded = -1;
    Block<T> block = {};
    for (int64_t row = first; row < last; row++) {
      T* out = static_cast<T*>(p.out) + row * stride;
      const int64_t in_row = p.in_rows == nullptr ? row : p.in_rows[row];
      if (in_row < 0 || p.group < p.group_stride) __builtin_memset(out, 0, stride * sizeof(T));
      if (in_row < 0) continue;
      for (int64_t column = 0; column < p.width;) {
        const int64_t element = in_row * p.width + column, number = element / kFourBitBlock;
        if (number != decoded) block = decode<T>(p, map, decoded = number);
        int64_t count = (number + 1) * kFourBitBlock - element;
        const int64_t rest = p.group - column % p.group;
        if (count > rest) count = rest;
        copy(out + column / p.group * p.group_stride + column % p.group, block, p.codes, element, element + count);
        column += count;
      }
    }
  });
}

}  // namespace

void run(Threads& threads, const dpo4j_dequantize_4bit_params& p) {
  with_storage(p.dtype, [&](auto stored) { dequantize<decltype(stored)>(threads, p); });
}

}  // namespace dpo4j::cpu::DPO4J_ISA
