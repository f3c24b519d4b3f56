// Stores a matrix [rows, columns] in panels, in place, or a matrix in panels by rows. Word (i, j) of a panel is word i of its row j. A task copies a
// panel to scratch memory, and writes it back in the other order.
#include "cpu.h"
#include "packed_product.h"

namespace dpo4j::cpu::DPO4J_ISA {

namespace {

void pack_panel(char* panel, int64_t row_bytes, const char* rows) {
  for (int64_t at = 0; at < row_bytes; at += kPieceBytes) {
    pack_words(reinterpret_cast<uint32_t*>(panel + at * kLanes), kLanes, rows + at, row_bytes, kPieceBytes);
  }
}

void unpack_panel(char* rows, int64_t row_bytes, const char* panel) {
  const int64_t words = row_bytes / static_cast<int64_t>(sizeof(uint32_t));
  const auto from = reinterpret_cast<const uint32_t*>(panel);
  const auto to = reinterpret_cast<uint32_t*>(rows);
  for (int64_t row = 0; row < kLanes; row++) {
    for (int64_t i = 0; i < words; i++) to[row * words + i] = from[i * kLanes + row];
  }
}

}  // namespace

void run(Threads& threads, const dpo4j_pack_panels_params& p) {
  const int64_t row_bytes = p.columns * (p.dtype == DPO4J_F32 ? 4 : 2);
  parallel(threads, p.rows / kLanes, [&](int64_t panel, void* scratch) {
    char* const at = static_cast<char*>(p.matrix) + panel * kLanes * row_bytes;
    char* const copy = static_cast<char*>(scratch);
    __builtin_memcpy(copy, at, kLanes * row_bytes);
    p.unpacks ? unpack_panel(at, row_bytes, copy) : pack_panel(at, row_bytes, copy);
  });
}

}  // namespace dpo4j::cpu::DPO4J_ISA
