// Products of warpgroups: PTX ISA, "Asynchronous Warpgroup Level Matrix Instructions". Each of the four warps computes its own 16 rows, when it
// waits for them and not before: a tile that was overwritten meanwhile, and registers that are read meanwhile, give NaN.
#include <string.h>

#include <algorithm>

#include "block.h"
#include "cluster.h"

namespace cuda_emulation {
namespace {

constexpr int kRows = 16, kDepth = 16, kMostColumns = 256, kWarpsOfGroup = 4;

float of_bf16(const char* at) {
  uint16_t bits;
  memcpy(&bits, at, sizeof bits);
  const uint32_t word = static_cast<uint32_t>(bits) << 16;
  float value;
  memcpy(&value, &word, sizeof value);
  return value;
}

// "Matrix Descriptor Format" for rows with contiguous k in the 128-byte swizzle, in which the leading dimension offset is not used.
class Operand {
 public:
  Operand(const Block& block, uint64_t descriptor, int rows, const char* what)
      : start_(static_cast<uint32_t>(descriptor & 0x3FFF) << 4), stride_(static_cast<uint32_t>(descriptor >> 32 & 0x3FFF) << 4) {
    constexpr uint32_t kRowBytes = 128, kPatternBytes = 1024;
    if (descriptor >> 62 != 1)
      fail("wgmma: %s has swizzle mode %d, only that of 128 bytes is emulated", what, static_cast<int>(descriptor >> 62));
    if ((descriptor >> 49 & 7) != 0) fail("wgmma: %s has a base offset, which is not emulated", what);
    if ((descriptor & 0x3FF1C000C000C000) != 0) fail("wgmma: %s has bits set that mean nothing", what);
    if (start_ % kPatternBytes > kRowBytes - kDepth * 2) fail("wgmma: %s at %#x is not where the swizzle's 1024 bytes begin", what, start_);
    base_ = block.at(start_, (rows - 1) / 8 * stride_ + 7 * kRowBytes + kDepth * 2, what) - start_;
  }

  float element(int row, int k) const {
    const uint32_t at = start_ + static_cast<uint32_t>(row / 8) * stride_ + static_cast<uint32_t>(row % 8 * 128 + k * 2);
    return of_bf16(base_ + (at ^ (at >> 7 & 7) << 4));
  }

 private:
  uint32_t start_, stride_;
  const char* base_;
};

// Cut, not rounded, as tensor cores do when they add up.
float cut(double x) {
  uint64_t bits;
  memcpy(&bits, &x, sizeof bits);
  bits &= ~((uint64_t{1} << 29) - 1);
  if (x != x) bits = 0x7FF8000000000000;
  memcpy(&x, &bits, sizeof x);
  return static_cast<float>(x);
}

// "Register Fragments for wgmma.mma_async.m64nNk16", matrix D: whose element it is, and which.
struct Owner {
  int lane, element;
};
Owner owner_of(int row, int column) { return {row % 8 * 4 + column % 8 / 2, column / 8 * 4 + row / 8 * 2 + column % 2}; }

void compute(const Block& block, int warp_of_group, const Product& product) {
  Accumulators& d = *product.d;
  const Operand a(block, product.a, kWarpsOfGroup * kRows, "matrix A"), b(block, product.b, d.columns, "matrix B");
  double of_b[kDepth][kMostColumns];
  for (int k = 0; k < kDepth; k++) {
    for (int column = 0; column < d.columns; column++) of_b[k][column] = b.element(column, k);
  }
  for (int row = 0; row < kRows; row++) {
    double sums[kMostColumns] = {};
    for (int k = 0; k < kDepth; k++) {
      const double of_a = a.element(warp_of_group * kRows + row, k);
      for (int column = 0; column < d.columns; column++) sums[column] += of_a * of_b[k][column];
    }
    for (int column = 0; column < d.columns; column++) {
      const Owner owner = owner_of(row, column);
      float& value = d.values[owner.lane][owner.element];
      value = cut(product.accumulate ? value + sums[column] : sums[column]);
    }
  }
  if (--d.under_way > 0) return;
  for (int lane = 0; lane < warpSize; lane++) memcpy(d.of_lane[lane], d.values[lane], d.columns / 2 * sizeof(float));
}

Accumulators& accumulators_of(Products& products, const Products::Request& request) {
  for (Accumulators& each : products.accumulators) {
    if (each.under_way > 0 && each.of_lane[0] == request.d) {
      if (each.columns != request.columns) fail("wgmma: products of different shapes for the same registers, without a wait between them");
      return each;
    }
  }
  while (!products.accumulators.empty() && products.accumulators.front().under_way == 0) products.accumulators.pop_front();
  products.accumulators.emplace_back();
  Accumulators& d = products.accumulators.back();
  d.columns = request.columns;
  for (int lane = 0; lane < warpSize; lane++) {
    d.of_lane[lane] = products.requests[lane].d;
    memcpy(d.values[lane], d.of_lane[lane], d.columns / 2 * sizeof(float));
  }
  return d;
}

void issue(Products& products) {
  const Products::Request& first = products.requests[0];
  if (first.columns % 8 != 0 || first.columns < 8 || first.columns > kMostColumns) fail("wgmma: no shape has %d columns", first.columns);
  for (const Products::Request& each : products.requests) {
    if (each.a != first.a || each.b != first.b || each.accumulate != first.accumulate)
      fail("wgmma: lanes of a warp have different operands");
  }
  if (!products.fenced) fail("wgmma: no wgmma.fence since the registers were last waited for");
  Accumulators& d = accumulators_of(products, first);
  d.under_way++;
  for (int lane = 0; lane < warpSize; lane++) fill_with_ff(d.of_lane[lane], d.columns / 2 * sizeof(float));
  products.open.push_back({first.a, first.b, first.accumulate, &d});
  products.issued++;
}

// All lanes of the warp meet, then act(its products) is done once, by the lane that came last, before any other goes on.
template <class Act>
void meet(const char* operation, Act act) {
  Thread& self = running();
  exchange(~0u, Word{}, operation);
  Products& products = self.warp->products;
  if (products.meetings != self.product_meetings++) return;
  products.meetings++;
  act(products);
}

}  // namespace

void Products::clear() {
  fenced = false;
  meetings = issued = 0;
  open.clear();
  groups.clear();
  accumulators.clear();
}

// A block leaves nothing under way, and its warpgroups have worked as such.
void Block::check_exit() const {
  if (cluster_.has_copy_to(*this)) fail("the block exits while a tile is on its way to it");
  for (size_t warp = 0; warp < order_.size(); warp++) {
    const Products& products = warps_[warp].products;
    if (!products.open.empty() || !products.groups.empty()) fail("warp %zu exits before its products have ended", warp);
    const size_t first = warp / kWarpsOfGroup * kWarpsOfGroup;
    if (products.issued != warps_[first].products.issued)
      fail("wgmma: warps %zu and %zu of a warpgroup have not issued the same", first, warp);
  }
}

void wgmma_fence() {
  meet("wgmma.fence", [](Products& products) { products.fenced = true; });
}

void wgmma_bf16(float* d, int columns, uint64_t a, uint64_t b, bool accumulate) {
  Thread& self = running();
  self.warp->products.requests[self.lane] = {d, a, b, columns, accumulate};
  meet("wgmma.mma_async", issue);
}

void wgmma_commit_group() {
  meet("wgmma.commit_group", [](Products& products) {
    products.groups.push_back(std::move(products.open));
    products.open.clear();
  });
}

void wgmma_wait_group(int pending) {
  meet("wgmma.wait_group", [pending](Products& products) {
    const Thread& self = running();
    const int warp_of_group = static_cast<int>(self.index.x) / warpSize % kWarpsOfGroup;
    while (products.groups.size() > static_cast<size_t>(pending)) {
      for (const Product& product : products.groups.front()) compute(*self.block, warp_of_group, product);
      products.groups.pop_front();
      products.fenced = false;
    }
  });
}

}  // namespace cuda_emulation
