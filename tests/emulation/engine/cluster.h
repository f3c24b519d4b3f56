// What runs one cluster of a launch after another: its blocks take turns. A launch without clusters has one block in each.
#pragma once

#include <memory>
#include <vector>

#include "block.h"

namespace cuda_emulation {

class Cluster {
 public:
  // Around the clusters of a launch: has the blocks it takes, and tells ThreadSanitizer that they come after what the caller did before the
  // launch, and before what it does after.
  void begin(const Grid& grid);
  void end();

  // Runs a cluster of a launch from the first thread's start to the last one's end. `number` places it in the grid and seeds its schedule.
  void run(const Grid& grid, uint64_t number);

  int size() const { return size_; }
  void barrier(Thread& self, const char* operation);
  void exit();  // one of the threads has

  // Another block's, by its rank.
  Block& block(Block& caller, unsigned rank);

  void start_copy(Copy copy) { copies_.push_back(std::move(copy)); }
  bool land_copy();  // of those under way the oldest, or any; false if there is none
  bool has_copy_to(const Block& block) const;

  // Where `mine`, in the shared memory of `caller`, is in the block of that rank.
  void* shared(Block& caller, const void* mine, unsigned rank);

 private:
  void take_turns();
  void open_barrier();
  [[noreturn]] void report_deadlock();

  std::vector<std::unique_ptr<Block>> blocks_;  // by rank; as many as the largest cluster so far had
  std::vector<Block*> order_;
  Random random_;
  int size_ = 0, live_ = 0;

  std::vector<Copy> copies_;

  int arrived_ = 0;
  uint32_t barriers_ = 0;
  Place barrier_places_[2];  // two, for the reason Meeting has two sets of words
};

}  // namespace cuda_emulation
