// Runs the clusters of a launch, one after another; the blocks of a cluster run in turn. Without clusters, each cluster has one block.
#pragma once

#include <memory>
#include <vector>

#include "block.h"

namespace cuda_emulation {

class Cluster {
 public:
  // Called before and after the clusters of a launch. begin() makes the blocks. Both tell ThreadSanitizer that the blocks run after what
  // the caller did before the launch, and before what it does afterwards.
  void begin(const Grid& grid);
  void end();

  // Runs cluster `number` of a launch to its end. The number also seeds its schedule.
  void run(const Grid& grid, uint64_t number);

  int size() const { return size_; }
  void barrier(Thread& self, const char* operation);
  void arrive(Thread& self, bool releases);
  void wait(Thread& self, const char* operation);
  void exit();  // called when a thread has exited

  // The block of that rank, as seen from another block.
  Block& block(Block& caller, unsigned rank);

  void start_copy(Copy copy) { copies_.push_back(std::move(copy)); }
  bool land_copy();  // the oldest, or in a random schedule any; false if there is none
  bool has_copy_to(const Block& block) const;

  // The address in the block of that rank of `mine`, which is in the shared memory of `caller`.
  void* shared(Block& caller, const void* mine, unsigned rank);

 private:
  void take_turns();
  void open_barrier();
  [[noreturn]] void report_deadlock();

  std::vector<std::unique_ptr<Block>> blocks_;  // by rank; as many as the max cluster so far had
  std::vector<Block*> order_;
  Random random_;
  int size_ = 0, live_ = 0;

  std::vector<Copy> copies_;

  int arrived_ = 0;
  uint32_t barriers_ = 0;
  SyncPoint barrier_points_[2];  // two, for the same reason as the two buffers of Meeting
};

}  // namespace cuda_emulation
