// WGMMA: PTX ISA, "Asynchronous Warpgroup Level Matrix Instructions". Each of the four warps computes its 16 rows when it waits for them,
// not earlier. So if a tile is overwritten, or registers are read, before the wait, the result is NaN.
#include <string.h>

#include <algorithm>

#include "block.h"
#include "cluster.h"

namespace cuda_emulation {
namespace {

constexpr int kRows = 16, kDepth = 16, kMaxColumns = 256, kWarpsOfGroup = 4;

float bf16_to_float(uint32_t bits) {
  const uint32_t word = bits << 16;
  float value;
  memcpy(&value, &word, sizeof value);
  return value;
}

// An operand in shared memory: "Matrix Descriptor Format" and "Strides", for the 128-byte swizzle. A pattern is eight times 128 bytes.
// K-major: each 128 bytes hold 64 k of one row, and the matrix is one pattern wide. MN-major: they hold 64 rows for one k.
class Operand {
 public:
  Operand(const Block& block, SharedMatrix matrix, int rows, const char* what)
      : block_(block), what_(what), transposed_(matrix.transposed) {
    const uint64_t descriptor = matrix.descriptor;
    const auto field = [&](int bit) { return static_cast<uint32_t>(descriptor >> bit & 0x3FFF) << 4; };
    start_ = field(0), leading_ = field(16), stride_ = field(32);
    if (descriptor >> 62 != 1)
      fail("wgmma: %s has swizzle mode %d, only that of 128 bytes is emulated", what, static_cast<int>(descriptor >> 62));
    if ((descriptor >> 49 & 7) != 0) fail("wgmma: %s has a base offset, which is not emulated", what);
    if ((descriptor & 0x3FF1C000C000C000) != 0) fail("wgmma: %s has bits set that mean nothing", what);
    const uint32_t beyond = transposed_ ? 0 : kRowBytes - kDepth * 2;
    if (start_ % kPatternBytes > beyond) fail("wgmma: %s at %#x is not where the swizzle's 1024 bytes begin", what, start_);
    if (stride_ % kPatternBytes != 0 || (transposed_ && rows > kPatternRows && leading_ % kPatternBytes != 0))
      fail("wgmma: %s has strides that are not those of whole patterns", what);
    for (int pattern = 0; pattern < patterns(rows); pattern++) block.at(corner(pattern), pattern_bytes(rows), what);
  }

  // Calls store(row, k, value) for every element of `rows` rows. Both are multiples of 8.
  template <class Store>
  void read(int first_row, int rows, Store store) const {
    float values[kChunk];
    if (transposed_) {
      for (int k = 0; k < kDepth; k++) {
        for (int row = first_row; row < first_row + rows; row += kChunk) {
          read_chunk(row, k, values);
          for (int i = 0; i < kChunk; i++) store(row + i, k, values[i]);
        }
      }
    } else {
      for (int row = first_row; row < first_row + rows; row++) {
        for (int k = 0; k < kDepth; k += kChunk) {
          read_chunk(row, k, values);
          for (int i = 0; i < kChunk; i++) store(row, k + i, values[i]);
        }
      }
    }
  }

 private:
  static constexpr uint32_t kRowBytes = 128, kPatternBytes = 1024;
  static constexpr int kPatternRows = 64;  // MN-major
  static constexpr int kChunk = 8;         // elements in 16 bytes, which swizzling keeps together

  // "Swizzling Modes". The chunk has neighbouring k of one row, or MN-major neighbouring rows of one k. Between a store and its fence, the memory
  // of the threads differs from what products see.
  void read_chunk(int row, int k, float (&values)[kChunk]) const {
    const uint32_t at = transposed_ ? start_ + row / kPatternRows * leading_ + k / 8 * stride_ + k % 8 * kRowBytes + row % kPatternRows * 2
                                    : start_ + row / 8 * stride_ + row % 8 * kRowBytes + k * 2;
    const uint32_t address = at ^ (at >> 7 & 7) << 4;
    uint16_t stored[kChunk], seen[kChunk];
    memcpy(stored, block_.shared_byte(address), sizeof stored);
    memcpy(seen, block_.seen_byte(address), sizeof seen);
    if (memcmp(stored, seen, sizeof seen) != 0)
      fail("wgmma: %s at %#x was written without a fence.proxy.async, or while products read it", what_, address);
    for (int i = 0; i < kChunk; i++) values[i] = bf16_to_float(seen[i]);
  }

  int patterns(int rows) const { return transposed_ ? (rows + kPatternRows - 1) / kPatternRows * (kDepth / 8) : (rows + 7) / 8; }
  uint32_t corner(int pattern) const {
    return transposed_ ? start_ + pattern / 2 * leading_ + pattern % 2 * stride_ : start_ + pattern * stride_;
  }
  size_t pattern_bytes(int rows) const {
    const int last_row = transposed_ ? std::min(rows, kPatternRows) * 2 : kDepth * 2;
    return 7 * kRowBytes + static_cast<size_t>(last_row);
  }

  const Block& block_;
  const char* what_;
  bool transposed_;
  uint32_t start_, leading_, stride_;
};

// Truncates to fp32, as tensor cores do when they add.
float cut(double x) {
  uint64_t bits;
  memcpy(&bits, &x, sizeof bits);
  bits &= ~((uint64_t{1} << 29) - 1);
  if (x != x) bits = 0x7FF8000000000000;
  memcpy(&x, &bits, sizeof x);
  return static_cast<float>(x);
}

// "Register Fragments for wgmma.mma_async.m64nNk16", matrix D: the lane that holds an element, and its index there.
struct Owner {
  int lane, element;
};
Owner owner_of(int row, int column) { return {row % 8 * 4 + column % 8 / 2, column / 8 * 4 + row / 8 * 2 + column % 2}; }

// The same for matrix A in registers: register 2 (k / 8) + row / 8 holds two neighbouring k.
float left_element(const LeftRegisters& a, int row, int k) {
  const uint32_t pair = a.values[row % 8 * 4 + k % 8 / 2][k / 8 * 2 + row / 8];
  return bf16_to_float(k % 2 == 0 ? pair & 0xFFFF : pair >> 16);
}

template <class T, int MAX>
Lent<T, MAX>& lent(std::deque<Lent<T, MAX>>& all, T* const (&lanes)[warpSize], int count) {
  for (auto& each : all) {
    if (each.under_way == 0 || each.lanes[0] != lanes[0]) continue;
    if (each.count != count) fail("wgmma: products of different shapes for the same registers, without a wait between them");
    each.under_way++;
    return each;
  }
  while (!all.empty() && all.front().under_way == 0) all.pop_front();
  all.emplace_back();
  auto& each = all.back();
  each.count = count;
  each.under_way = 1;
  for (int lane = 0; lane < warpSize; lane++) {
    each.lanes[lane] = lanes[lane];
    memcpy(each.values[lane], lanes[lane], count * sizeof(T));
    fill_with_ff(lanes[lane], count * sizeof(T));
  }
  return each;
}

// Called at the end of each product. The last product that uses the registers restores them, unless the kernel has written them.
template <class T, int MAX>
void give_back(Lent<T, MAX>& registers, const char* what) {
  if (--registers.under_way > 0) return;
  const size_t bytes = registers.count * sizeof(T);
  for (int lane = 0; lane < warpSize; lane++) {
    const auto* first = reinterpret_cast<const unsigned char*>(registers.lanes[lane]);
    if (!std::all_of(first, first + bytes, [](unsigned char byte) { return byte == 0xFF; }))
      fail("wgmma: registers of %s were written while products had them", what);
    memcpy(registers.lanes[lane], registers.values[lane], bytes);
  }
}

// One row of a product. Reads and writes local arrays only: under sanitizers this took three quarters of the time of the whole suite.
__attribute__((no_sanitize_address, no_sanitize_thread, no_sanitize_undefined)) void multiply(double (&sums)[kMaxColumns],
                                                                                              const double (&a)[kDepth],
                                                                                              const double (&b)[kDepth][kMaxColumns],
                                                                                              int columns) {
  for (int column = 0; column < columns; column++) sums[column] = 0;
  for (int k = 0; k < kDepth; k++) {
    for (int column = 0; column < columns; column++) sums[column] += a[k] * b[k][column];
  }
}

void compute(const Block& block, int warp_of_group, const Product& product) {
  Accumulators& d = *product.d;
  const int columns = d.count * 2;
  const Operand b(block, product.b, columns, "matrix B");
  double a_values[kRows][kDepth], b_values[kDepth][kMaxColumns];
  b.read(0, columns, [&](int column, int k, float value) { b_values[k][column] = value; });
  if (product.registers != nullptr) {
    for (int i = 0; i < kRows * kDepth; i++) a_values[i / kDepth][i % kDepth] = left_element(*product.registers, i / kDepth, i % kDepth);
  } else {
    const Operand a(block, product.a, kWarpsOfGroup * kRows, "matrix A");
    a.read(warp_of_group * kRows, kRows, [&](int row, int k, float value) { a_values[row % kRows][k] = value; });
  }
  for (int row = 0; row < kRows; row++) {
    double sums[kMaxColumns];
    multiply(sums, a_values[row], b_values, columns);
    for (int column = 0; column < columns; column++) {
      const Owner owner = owner_of(row, column);
      float& value = d.values[owner.lane][owner.element];
      value = cut(product.accumulate ? value + sums[column] : sums[column]);
    }
  }
  give_back(d, "matrix D");
  if (product.registers != nullptr) give_back(*product.registers, "matrix A");
}

bool same(const SharedMatrix& a, const SharedMatrix& b) { return a.descriptor == b.descriptor && a.transposed == b.transposed; }

void issue(Products& products) {
  const Products::Request& first = products.requests[0];
  if (first.columns % 8 != 0 || first.columns < 8 || first.columns > kMaxColumns) fail("wgmma: no shape has %d columns", first.columns);
  float* d_lanes[warpSize];
  uint32_t* a_lanes[warpSize];
  for (int lane = 0; lane < warpSize; lane++) {
    const Products::Request& each = products.requests[lane];
    if (!same(each.a, first.a) || !same(each.b, first.b) || each.accumulate != first.accumulate ||
        (each.registers == nullptr) != (first.registers == nullptr))
      fail("wgmma: lanes of a warp have different operands");
    d_lanes[lane] = each.d;
    a_lanes[lane] = each.registers;
  }
  if (!products.fenced) fail("wgmma: no wgmma.fence since the registers were last waited for");
  Accumulators& d = lent(products.accumulators, d_lanes, first.columns / 2);
  LeftRegisters* left = first.registers == nullptr ? nullptr : &lent(products.left, a_lanes, 4);
  products.open.push_back({first.a, first.b, first.accumulate, &d, left});
  products.issued++;
}

void request(const Products::Request& request) {
  Thread& self = running();
  self.warp->products.requests[self.lane] = request;
}

// All lanes of the warp wait for each other. The last one to arrive calls act(products); only then do they continue.
template <class Act>
void meet(const char* operation, Act act) {
  Thread& self = running();
  exchange(~0u, LaneValue{}, operation);
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
  left.clear();
}

// Fails if copies or products are unfinished, or if the warps of a warpgroup have not issued the same products.
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

// Executed once per warp, by the lane that came last.
void fence_proxy_async() {
  meet("fence.proxy.async", [](Products&) { running().block->show_to_products(); });
}

void wgmma_fence() {
  meet("wgmma.fence", [](Products& products) { products.fenced = true; });
}

void wgmma_bf16(float* d, int columns, SharedMatrix a, SharedMatrix b, bool accumulate) {
  request({d, nullptr, a, b, columns, accumulate});
  meet("wgmma.mma_async", issue);
}

void wgmma_bf16(float* d, int columns, uint32_t* a, SharedMatrix b, bool accumulate) {
  request({d, a, {}, b, columns, accumulate});
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
