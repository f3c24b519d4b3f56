// What runs one block of a launch after another: fibers for its threads, its warps, its shared memory, and the loop in which they take
// turns.
#pragma once

#include <stdint.h>

#include <memory>
#include <vector>

#include "../include/cuda_emulation/execution.h"
#include "fiber.h"
#include "settings.h"

namespace cuda_emulation {

constexpr int kMaxThreads = 1024;
constexpr int kMaxWarps = kMaxThreads / warpSize;
constexpr size_t kStaticSharedBytes = 48 << 10;
constexpr size_t kSharedBytes = 227 << 10;

// A launch, as every block of it sees it.
struct Grid {
  dim3 blocks, threads;
  size_t dynamic_shared_bytes;
  void (*body)(const void*);
  const void* argument;
};

// Lanes of one mask on their way to meet. Two sets of words: a lane may be reading what the last meeting brought while another is early for
// the next. It cannot be two meetings ahead, because the reader takes part in both.
struct Meeting {
  unsigned mask, arrived;
  uint32_t count;
  const char* operation;
  Exchange words[2];
};

class Block;

struct Thread {
  Fiber fiber;
  Block* block = nullptr;
  struct Warp* warp = nullptr;
  int lane = 0;
  uint3 index{};
  bool fenced = false;
  const char* waits_in = nullptr;
};

constexpr int kMaxMasks = 16;

struct Warp {
  unsigned live, ready, at_barrier;  // lanes
  Thread* threads[warpSize];
  int masks;
  Meeting meetings[kMaxMasks];
};

// Something with an address, at which threads announce what they have done and hear what others have.
struct alignas(16) Place {};

class Block {
 public:
  Block();
  ~Block();

  // Runs a block of a launch from the first thread's start to the last one's end. `number` seeds its schedule.
  void run(const Grid& grid, uint3 index, uint64_t number);

  // Where the last block has announced its end, and the next will listen before it begins.
  Place& border() { return borders_[blocks_ & 1]; }

  uint3 index() const { return index_; }
  int barrier(Thread& self, Vote vote, bool predicate, const char* operation);
  const Exchange& exchange(Thread& self, unsigned mask, const Word& mine, const char* operation, bool orders_memory);
  void* shared_array(const void* tag, size_t bytes, size_t alignment);
  void* dynamic_shared() const { return dynamic_shared_; }

 private:
  static void thread_main();
  void start(const Grid& grid, uint3 index, uint64_t number);
  void take_turns();
  void run_warp(Warp& warp);
  void resume(Thread& thread);
  void exit(Thread& thread);
  void open_barrier();
  [[noreturn]] void report_deadlock();
  Meeting& meeting_of(Warp& warp, unsigned mask);
  char* reserve_shared(size_t bytes, size_t alignment);
  uint64_t random();

  const Grid* grid_ = nullptr;
  uint3 index_{};
  uint64_t random_state_ = 1;

  std::unique_ptr<Thread[]> threads_;
  std::unique_ptr<Warp[]> warps_;
  std::vector<Warp*> order_;
  int live_ = 0;

  uint32_t blocks_ = 0;
  Place borders_[2];  // two, or a thread that begins would hear from one of its own block that has already ended

  int arrived_ = 0;
  uint32_t barriers_ = 0;
  const char* barrier_operation_ = nullptr;
  Vote vote_ = Vote::kNone;
  int votes_ = 0;
  // Two of each, for the reason Meeting has two sets of words.
  int results_[2] = {};
  Place barrier_places_[2];

  struct SharedArray {
    const void* tag;
    void* address;
  };
  std::vector<SharedArray> arrays_;
  char* shared_;
  size_t shared_used_ = 0;
  size_t static_bytes_ = 0;
  void* dynamic_shared_ = nullptr;
};

}  // namespace cuda_emulation
