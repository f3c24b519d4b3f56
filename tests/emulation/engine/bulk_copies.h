// The unfinished bulk copies to device memory of a thread: those of committed groups, oldest first, and those that are not committed yet.
#pragma once

#include <vector>

#include "../include/cuda_emulation/bulk_copy.h"

namespace cuda_emulation {

struct BulkCopies {
  std::vector<BulkCopy> committed, next;

  bool under_way() const { return !committed.empty() || !next.empty(); }
  void clear() {
    committed.clear();
    next.clear();
  }
};

}  // namespace cuda_emulation
