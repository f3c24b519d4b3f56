// The cluster group of cooperative groups, and the intrinsic for an arrival at its barrier without a fence; other groups are not emulated.
// The emulation is stricter than a device: it stops a call of map_shared_rank before the cluster's first barrier, because until then the
// other block may not have started.
#pragma once

#include "cuda_emulation/execution.h"

namespace cooperative_groups {

class cluster_group {
 public:
  using arrival_token = struct {};
  static unsigned block_rank() { return cuda_emulation::cluster_rank(); }
  static unsigned num_blocks() { return cuda_emulation::cluster_size(); }
  static void sync() { cuda_emulation::cluster_barrier("cluster_group::sync"); }
  static arrival_token barrier_arrive() {
    cuda_emulation::cluster_arrive(true);
    return {};
  }
  static void barrier_wait() { cuda_emulation::cluster_wait("cluster_group::barrier_wait"); }

  template <class T>
  static T* map_shared_rank(T* address, int rank) {
    return static_cast<T*>(cuda_emulation::cluster_shared(address, static_cast<unsigned>(rank)));
  }
};

inline cluster_group this_cluster() { return {}; }

}  // namespace cooperative_groups

inline void __cluster_barrier_arrive_relaxed() { cuda_emulation::cluster_arrive(false); }
