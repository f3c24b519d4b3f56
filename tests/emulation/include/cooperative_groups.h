// The cluster group of cooperative groups; other groups are not emulated. The emulation is stricter than a device: it stops a call of
// map_shared_rank before the cluster's first barrier, because until then the other block may not have started.
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
