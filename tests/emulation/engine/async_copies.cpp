#include "async_copies.h"

#include "block.h"

namespace cuda_emulation {

void begin_copy(const AsyncCopy& copy) { current_thread().copies.next.push_back(copy); }

void commit_copies() {
  AsyncCopies& copies = current_thread().copies;
  copies.groups.push_back(std::move(copies.next));
  copies.next.clear();
}

void finish_copies(int groups_left, void (*finish)(const AsyncCopy&)) {
  AsyncCopies& copies = current_thread().copies;
  while (copies.groups.size() > static_cast<size_t>(groups_left)) {
    for (const AsyncCopy& copy : copies.groups.front()) finish(copy);
    copies.groups.pop_front();
  }
}

void require_shared_16(const void* address, const char* operation) {
  if (!current_thread().block->has_shared(address, 16)) {
    fail("%s: %p is not in the shared memory of the calling block", operation, address);
  }
  if (reinterpret_cast<uintptr_t>(address) % 16 != 0) fail("%s: %p is not on 16 bytes", operation, address);
}

}  // namespace cuda_emulation
