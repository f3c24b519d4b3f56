// The unfinished copies (cp.async) of a thread: the committed groups, oldest first, and the group that is not committed yet.
#pragma once

#include <stddef.h>

#include <deque>
#include <vector>

#include "../include/cuda_emulation/mma.h"

namespace cuda_emulation {

struct AsyncCopies {
  std::deque<std::vector<AsyncCopy>> groups;
  std::vector<AsyncCopy> next;

  bool under_way() const {
    for (const std::vector<AsyncCopy>& group : groups) {
      if (!group.empty()) return true;
    }
    return !next.empty();
  }
  void clear() {
    groups.clear();
    next.clear();
  }
};

}  // namespace cuda_emulation
