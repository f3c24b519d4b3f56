// What blocks have of compute capability 9.0 that works by itself: barriers in shared memory, copies under way, products of warpgroups.
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

// Something with an address, at which threads announce what they have done and hear what others have.
struct alignas(16) Place {};

// An mbarrier. Its word in shared memory holds nothing; a thread that touches it counts as reading it, or as writing it when it
// initialises.
struct SharedBarrier {
  uint32_t arrivals = 0;  // that end a phase
  uint32_t missing = 0;   // of this phase
  int64_t bytes = 0;      // announced and not landed; below zero where some landed before they were announced
  uint32_t phase = 0;     // that is not done
  bool fenced = false;    // its initialisation is
  std::vector<Thread*> waiting;
  Place places[2];  // by phase: an arrival at the next one must not order who waits for this one
};

// A tile on its way to one or several blocks.
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

// Registers that products were given. They hold NaN meanwhile, and the numbers are here.
template <class T, int MAX>
struct Lent {
  T* lanes[warpSize];
  int count;  // of a lane
  int under_way = 0;
  T values[warpSize][MAX];
};
using Accumulators = Lent<float, 128>;
using LeftRegisters = Lent<uint32_t, 4>;  // matrix A

// One product of a warp's 16 rows, between its issue and its end. Matrix A is in registers, or they are null.
struct Product {
  SharedMatrix a, b;
  bool accumulate;
  Accumulators* d;
  LeftRegisters* registers;
};

// What a warp has of products.
struct Products {
  struct Request {
    float* d;
    uint32_t* registers;
    SharedMatrix a, b;
    int columns;
    bool accumulate;
  };
  Request requests[warpSize];
  uint64_t meetings = 0;  // of all lanes, that one of them has acted for
  bool fenced = false;    // since registers were last waited for
  uint64_t issued = 0;
  std::vector<Product> open;
  std::deque<std::vector<Product>> groups;
  std::deque<Accumulators> accumulators;
  std::deque<LeftRegisters> left;
  void clear();
};

}  // namespace cuda_emulation
