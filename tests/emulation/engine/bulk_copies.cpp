#include "bulk_copies.h"

#include "block.h"

namespace cuda_emulation {

void begin_bulk_copy(float* to, uint32_t from, uint32_t bytes, bool is_sum) {
  constexpr const char* kOperation = "cp.async.bulk";
  const Thread& self = current_thread();
  if (bytes == 0) fail("%s: no bytes", kOperation);
  if (bytes % 16 != 0 || from % 16 != 0 || reinterpret_cast<uintptr_t>(to) % 16 != 0)
    fail("%s: %u bytes from %#x to %p, not all multiples of 16", kOperation, bytes, from, static_cast<void*>(to));
  const char* const stored = self.block->at(from, bytes, kOperation);
  BulkCopy copy{to, reinterpret_cast<const float*>(stored), std::vector<float>(bytes / sizeof(float)), is_sum, false};
  copy_bytes(copy.values.data(), self.block->seen_byte(from), bytes);
  if (memcmp(copy.values.data(), stored, bytes) != 0) fail("%s: %#x was written without a fence.proxy.async", kOperation, from);
  current_thread().bulk_copies.next.push_back(std::move(copy));
}

void bulk_commit_group() {
  BulkCopies& copies = current_thread().bulk_copies;
  for (BulkCopy& copy : copies.next) copies.committed.push_back(std::move(copy));
  copies.next.clear();
}

void wait_for_bulk_copies(void (*read)(const BulkCopy&), void (*write)(const BulkCopy&)) {
  std::vector<BulkCopy>& copies = current_thread().bulk_copies.committed;
  for (BulkCopy& copy : copies) {
    if (!copy.has_read) read(copy);
    copy.has_read = true;
    if (write != nullptr) write(copy);
  }
  if (write != nullptr) copies.clear();
}

}  // namespace cuda_emulation
