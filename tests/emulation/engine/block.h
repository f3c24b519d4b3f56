// Runs the blocks of a launch, one after another: the fibers of the threads, the warps, shared memory, and the loop that schedules them.
#pragma once

#include <stdint.h>

#include <memory>
#include <vector>

#include "../include/cuda_emulation/execution.h"
#include "async_copies.h"
#include "asynchronous.h"
#include "bulk_copies.h"
#include "fiber.h"
#include "random.h"
#include "settings.h"

namespace cuda_emulation {

constexpr int kMaxThreads = 1024;
constexpr int kMaxWarps = kMaxThreads / warpSize;
constexpr size_t kStaticSharedBytes = 48 << 10;
constexpr size_t kSharedBytes = 227 << 10;
constexpr int kRegistersOfBlock = 65536;

// The configuration of a launch.
struct Grid {
  dim3 blocks, threads, cluster;
  size_t dynamic_shared_bytes;
  size_t shared_limit_bytes;  // dynamic and static together
  void (*body)(const void*);
  const void* argument;
};

// An exchange of values among the lanes of one mask. There are two buffers, because one lane may still read the values of the last exchange
// when another arrives at the next. It cannot be two exchanges ahead, because the reader takes part in each of them.
struct Meeting {
  unsigned mask, arrived;
  uint32_t count;
  const char* operation;
  Exchange exchanges[2];
};

class Block;
class Cluster;

struct Thread {
  Fiber fiber;
  Block* block = nullptr;
  struct Warp* warp = nullptr;
  int lane = 0;
  uint3 index{};
  bool fenced = false;
  bool woken = false;            // from a wait that may end without its condition
  bool has_arrived = false;      // at the barrier of the cluster, and has not waited for it yet
  uint32_t cluster_barrier = 0;  // which one
  int registers = 0;
  uint64_t product_meetings = 0;
  const char* waits_in = nullptr;
  AsyncCopies copies;
  BulkCopies bulk_copies;
};

Thread& current_thread();  // the thread whose fiber runs on this operating system thread

constexpr int kMaxMasks = 16;

struct Warp {
  unsigned live, ready, at_barrier, at_cluster_barrier;  // lanes
  Thread* threads[warpSize];
  int masks;
  Meeting meetings[kMaxMasks];
  Products products;
};

// The thread whose fiber runs on this operating system thread.
Thread& running();

// Used instead of memset and memcpy, which ThreadSanitizer would count as accesses of the calling thread.
void fill_with_ff(void* address, size_t bytes);
void copy_bytes(void* to, const void* from, size_t bytes);

class Block {
 public:
  Block(Cluster& cluster, unsigned rank);
  ~Block();

  // A block of a launch: start(), then take_turns() until no thread is live, then end(). `number` seeds its schedule.
  void start(const Grid& grid, uint3 index, uint64_t number);
  // Runs its threads until all wait for other blocks; a random schedule may stop earlier. Returns whether any thread ran.
  bool take_turns();
  void end() { blocks_++; }

  // Where the end of the last block is published, and the start of the next block receives.
  SyncPoint& border() { return borders_[blocks_ & 1]; }

  Cluster& cluster() const { return cluster_; }
  unsigned rank() const { return rank_; }
  uint3 index() const { return index_; }
  int live() const { return live_; }
  void leave_cluster_barrier();
  void report_waiting() const;
  int barrier(Thread& self, Vote vote, bool predicate, const char* operation);
  const Exchange& exchange(Thread& self, unsigned mask, const LaneValue& mine, const char* operation, bool orders_memory);
  void* shared_array(const void* tag, size_t bytes, size_t alignment);
  void* dynamic_shared() const { return dynamic_shared_; }
  bool has_shared(const void* address, size_t bytes) const;
  void* counterpart(const void* mine, Block& other) const;  // the address in `other` of `mine`, which is in this block's shared memory

  // Shared memory addresses as instructions take them: bytes from its start. at() fails, naming `what`, if they are not within an array.
  uint32_t window_address(const void* address) const;
  char* at(uint32_t address, size_t bytes, const char* what) const;
  const char* shared_byte(uint32_t address) const { return shared_ + address; }

  // Shared memory as asynchronous instructions see it. A fence copies the stores of threads there.
  char* seen_byte(uint32_t address) const { return seen_ + address; }
  void show_to_products();

  SharedBarrier& barrier_at(uint32_t address, const char* what);
  SharedBarrier& new_barrier(uint32_t address, uint32_t arrivals);
  void fence_barriers();
  void arrive(SharedBarrier& barrier);
  void landed(uint32_t barrier, size_t bytes);
  bool try_wait(Thread& self, SharedBarrier& barrier, uint32_t parity);

  // Waits inside a thread until it is ready again and has its turn.
  static void pass_turn();

  void take_registers(Thread& self, int registers);
  void give_registers(Thread& self, int registers);

 private:
  static void thread_main();
  bool take_turn();
  void run_warp(Warp& warp);
  static Thread& take_lane(Warp& warp, unsigned candidates);
  static void begin_turn(Thread& thread);
  void exit(Thread& thread);
  void check_exit() const;
  void wait(Thread& self, std::vector<Thread*>& waiting, const char* operation);
  void wake(std::vector<Thread*>& waiting);
  void end_phase_if_done(SharedBarrier& barrier);
  void open_barrier();
  Meeting& meeting_of(Warp& warp, unsigned mask);
  void* reserve_shared(const void* tag, size_t bytes, size_t alignment);
  void end_shared_memory();

  Cluster& cluster_;
  const unsigned rank_;
  const Grid* grid_ = nullptr;
  uint3 index_{};
  Random random_;

  std::unique_ptr<Thread[]> threads_;
  std::unique_ptr<Warp[]> warps_;
  std::vector<Warp*> order_;
  int live_ = 0;

  uint32_t blocks_ = 0;
  SyncPoint borders_[2];  // two, so that a thread that starts does not receive from a thread of its own block that has already ended

  int arrived_ = 0;
  uint32_t barriers_ = 0;
  const char* barrier_operation_ = nullptr;
  Vote vote_ = Vote::kNone;
  int votes_ = 0;
  // Two of each, for the same reason as the two buffers of Meeting.
  int results_[2] = {};
  SyncPoint barrier_points_[2];

  std::map<uint32_t, SharedBarrier> shared_barriers_;
  int registers_ = 0, launched_registers_ = 0;  // of all threads: now, and at launch
  std::vector<Thread*> want_registers_;

  struct SharedArray {
    const void* tag;
    char* address;
    size_t bytes, alignment;
  };
  std::vector<SharedArray> arrays_;  // in the order in which the block asked for them; other blocks may have another order
  char *shared_, *seen_;
  size_t shared_used_ = 0;
  size_t static_bytes_ = 0;
  void* dynamic_shared_ = nullptr;
};

}  // namespace cuda_emulation
