#include "cluster.h"

#include <stdio.h>

#include <algorithm>

namespace cuda_emulation {

void Cluster::begin(const Grid& grid) {
  const size_t wanted = grid.cluster.x * grid.cluster.y * grid.cluster.z;
  while (blocks_.size() < wanted) blocks_.emplace_back(new Block(*this, static_cast<unsigned>(blocks_.size())));
  for (const auto& block : blocks_) publish(&block->border());
}

void Cluster::end() {
  for (const auto& block : blocks_) receive(&block->border());
}

// ---- scheduling ------------------------------------------------------------------------------------------------------------------------

void Cluster::run(const Grid& grid, uint64_t number) {
  const unsigned x = grid.cluster.x, y = grid.cluster.y, z = grid.cluster.z;
  const uint64_t across = grid.blocks.x / x, down = grid.blocks.y / y;
  const unsigned first_x = static_cast<unsigned>(number % across) * x, first_y = static_cast<unsigned>(number / across % down) * y,
                 first_z = static_cast<unsigned>(number / (across * down)) * z;
  size_ = static_cast<int>(x * y * z);
  live_ = arrived_ = 0;
  barriers_ = 0;
  random_ = Random(settings().seed, ~number);
  order_.clear();
  for (unsigned rank = 0; rank < x * y * z; rank++) {
    Block& block = *blocks_[rank];
    block.start(grid, {first_x + rank % x, first_y + rank / x % y, first_z + rank / (x * y)}, number * (x * y * z) + rank);
    live_ += block.live();
    order_.push_back(&block);
  }
  if (settings().schedule == Schedule::kDescending) std::reverse(order_.begin(), order_.end());
  take_turns();
  for (Block* block : order_) block->end();
}

void Cluster::take_turns() {
  while (live_ > 0) {
    if (settings().schedule == Schedule::kRandom) random_.shuffle(order_);
    bool progress = false;
    for (Block* block : order_) progress |= block->take_turns();
    if (!progress) report_deadlock();
  }
}

void Cluster::report_deadlock() {
  fflush(stdout);
  for (int rank = 0; rank < size_; rank++) blocks_[rank]->report_waiting();
  fail("threads wait for others that wait elsewhere or have exited");
}

// ---- barriers and shared memory of a cluster -------------------------------------------------------------------------------------------

void Cluster::barrier(Thread& self, const char* operation) {
  if (self.has_arrived) fail("a thread is in %s that has arrived at the barrier of its cluster and has not waited for it", operation);
  const int side = barriers_ & 1;
  publish(&barrier_points_[side]);
  self.warp->at_cluster_barrier |= 1u << self.lane;
  self.waits_in = operation;
  arrived_++;
  if (arrived_ == live_) open_barrier();
  Block::pass_turn();
  receive(&barrier_points_[side]);
}

void Cluster::arrive(Thread& self, bool releases) {
  if (self.has_arrived) fail("a thread arrives a second time at the barrier of its cluster before it has waited for it");
  if (releases) publish(&barrier_points_[barriers_ & 1]);
  self.has_arrived = true;
  self.cluster_barrier = barriers_;
  arrived_++;
  if (arrived_ == live_) open_barrier();
}

void Cluster::wait(Thread& self, const char* operation) {
  if (!self.has_arrived) fail("a thread waits for the barrier of its cluster and has not arrived at it");
  self.has_arrived = false;
  if (barriers_ == self.cluster_barrier) {
    self.warp->at_cluster_barrier |= 1u << self.lane;
    self.waits_in = operation;
    Block::pass_turn();
  }
  receive(&barrier_points_[self.cluster_barrier & 1]);
}

// The barrier does not wait for threads that have exited, as on hardware.
void Cluster::exit() {
  live_--;
  if (live_ > 0 && arrived_ == live_) open_barrier();
}

void Cluster::open_barrier() {
  barriers_++;
  arrived_ = 0;
  for (Block* block : order_) block->leave_cluster_barrier();
}

Block& Cluster::block(Block& caller, unsigned rank) {
  if (rank >= static_cast<unsigned>(size_)) fail("the shared memory of block %u of a cluster of %d", rank, size_);
  Block& other = *blocks_[rank];
  if (&other != &caller && barriers_ == 0) {
    fail("the shared memory of block %u of the cluster before the cluster's first barrier: that block may not have started", rank);
  }
  if (other.live() == 0) fail("the shared memory of block %u of the cluster, which has exited", rank);
  return other;
}

void* Cluster::shared(Block& caller, const void* mine, unsigned rank) { return caller.counterpart(mine, block(caller, rank)); }

}  // namespace cuda_emulation
