// The state of the asynchronous instructions of compute capability 9.0: mbarriers, TMA copies and WGMMA products.
#pragma once

#include <stdint.h>

#include <deque>
#include <map>
#include <vector>

#include "../include/cuda_emulation/asynchronous.h"
#include "../include/cuda_emulation/execution.h"
#include "../include/cuda_emulation/tensor_map.h"

namespace cuda_emulation {

class Block;
struct Thread;

// An object whose address ThreadSanitizer uses as a synchronisation point: publish() releases, receive() acquires (sanitizers.h).
struct alignas(16) SyncPoint {};

// An mbarrier. Its 8 bytes in shared memory are not used. For ThreadSanitizer, barrier_init writes them and every other operation reads
// them.
struct SharedBarrier {
  uint32_t arrivals = 0;  // expected per phase
  uint32_t missing = 0;   // arrivals still expected in this phase
  int64_t bytes = 0;      // expected and not landed; negative if bytes landed before they were expected
  uint32_t phase = 0;     // the current one
  bool fenced = false;    // fence.mbarrier_init has followed the initialisation
  std::vector<Thread*> waiting;
  SyncPoint sync_points[2];  // by the parity of the phase: an arrival in the next phase must not order the waiters of this one
};

// A TMA copy of a tile to one or several blocks, before it lands.
struct Copy {
  struct Destination {
    Block* block;
    uint32_t to, barrier;  // in its shared memory
  };
  TensorMap map;
  int32_t x, y;
  std::vector<Destination> destinations;
  size_t bytes() const { return static_cast<size_t>(map.tile[0]) * map.tile[1] * map.element_bytes; }
};

// Registers that unfinished products use. They hold NaN until the products end; their contents are kept here.
template <class T, int MAX>
struct Lent {
  T* lanes[warpSize];
  int count;  // per lane
  int under_way = 0;
  T values[warpSize][MAX];
};
using Accumulators = Lent<float, 128>;
using LeftRegisters = Lent<uint32_t, 4>;  // matrix A

// One issued product of a warp's 16 rows. `registers` is null if matrix A is in shared memory.
struct Product {
  SharedMatrix a, b;
  bool accumulate;
  Accumulators* d;
  LeftRegisters* registers;
};

// The WGMMA state of a warp.
struct Products {
  struct Request {
    float* d;
    uint32_t* registers;
    SharedMatrix a, b;
    int columns;
    bool accumulate;
  };
  Request requests[warpSize];
  uint64_t meetings = 0;  // collective operations that one lane has executed for the warp
  bool fenced = false;    // wgmma.fence has followed the last wait
  uint64_t issued = 0;
  std::vector<Product> open;
  std::deque<std::vector<Product>> groups;
  std::deque<Accumulators> accumulators;
  std::deque<LeftRegisters> left;
  void clear();
};

}  // namespace cuda_emulation
