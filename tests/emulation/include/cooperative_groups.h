// Of cooperative groups only the cluster: blocks of a launch that run together and reach each other's shared memory. Stricter than a device
// in one thing: another block's memory is mapped only after the cluster's first barrier, since before it that block may not have started.
#pragma once

#include "cuda_emulation/execution.h"

namespace cooperative_groups {

class cluster_group {
 public:
  static unsigned block_rank() { return cuda_emulation::cluster_rank(); }
  static unsigned num_blocks() { return cuda_emulation::cluster_size(); }
  static void sync() { cuda_emulation::cluster_barrier("cluster_group::sync"); }

  template <class T>
  static T* map_shared_rank(T* address, int rank) {
    return static_cast<T*>(cuda_emulation::cluster_shared(address, static_cast<unsigned>(rank)));
  }
};

inline cluster_group this_cluster() { return {}; }

}  // namespace cooperative_groups
