// mbarriers and setmaxnreg: PTX ISA, "mbarrier" and "setmaxnreg".
#include <algorithm>

#include "block.h"
#include "cluster.h"

namespace cuda_emulation {
namespace {

constexpr uint32_t kBarrierBytes = 8, kMaxArrivals = (1u << 20) - 1;
constexpr int64_t kMaxBytes = (1 << 20) - 1;

// An address in another block has that block's rank + 1 in the bits above those of shared memory addresses.
constexpr int kRankShift = 20;
constexpr uint32_t kAddressMask = (1u << kRankShift) - 1;

Block& block_of(uint32_t address) {
  Block& own = *running().block;
  return address >> kRankShift == 0 ? own : own.cluster().block(own, (address >> kRankShift) - 1);
}

}  // namespace

// ---- waiting ---------------------------------------------------------------------------------------------------------------------------

void Block::wait(Thread& self, std::vector<Thread*>& waiting, const char* operation) {
  waiting.push_back(&self);
  self.waits_in = operation;
  pass_turn();
}

void Block::wake(std::vector<Thread*>& waiting) {
  for (Thread* thread : waiting) {
    thread->warp->ready |= 1u << thread->lane;
    thread->woken = true;
  }
  waiting.clear();
}

// ---- barriers --------------------------------------------------------------------------------------------------------------------------

SharedBarrier& Block::new_barrier(uint32_t address, uint32_t arrivals) {
  if (address % kBarrierBytes != 0) fail("mbarrier.init: %#x is not aligned to 8 bytes", address);
  if (arrivals == 0 || arrivals > kMaxArrivals) fail("mbarrier.init: %u arrivals, must be 1 to %u", arrivals, kMaxArrivals);
  write_memory(at(address, kBarrierBytes, "mbarrier.init"), kBarrierBytes);
  SharedBarrier& barrier = shared_barriers_[address];
  if (!barrier.waiting.empty()) fail("mbarrier.init: threads wait at %#x", address);
  barrier.arrivals = barrier.missing = arrivals;
  barrier.bytes = 0;
  barrier.phase = 0;
  barrier.fenced = false;
  return barrier;
}

SharedBarrier& Block::barrier_at(uint32_t address, const char* what) {
  const auto found = shared_barriers_.find(address);
  if (found == shared_barriers_.end()) fail("%s: no barrier has been initialised at %#x", what, address);
  return found->second;
}

void Block::fence_barriers() {
  for (auto& barrier : shared_barriers_) barrier.second.fenced = true;
}

void Block::arrive(SharedBarrier& barrier) {
  if (barrier.missing == 0) fail("mbarrier.arrive: more than the %u arrivals of a phase", barrier.arrivals);
  barrier.missing--;
  end_phase_if_done(barrier);
}

void Block::end_phase_if_done(SharedBarrier& barrier) {
  if (barrier.missing > 0 || barrier.bytes != 0) return;
  barrier.missing = barrier.arrivals;
  barrier.phase++;
  wake(barrier.waiting);
}

void Block::landed(uint32_t address, size_t bytes) {
  SharedBarrier& barrier = barrier_at(address, "complete_tx");
  barrier.bytes -= static_cast<int64_t>(bytes);
  if (barrier.bytes < -kMaxBytes) fail("complete_tx: %#x counts fewer than %lld bytes", address, static_cast<long long>(-kMaxBytes));
  end_phase_if_done(barrier);
}

// There is no time limit, because the emulation has no clock. In a random schedule, a thread that had to wait may get false.
bool Block::try_wait(Thread& self, SharedBarrier& barrier, uint32_t parity) {
  const auto is_done = [&] { return (barrier.phase & 1) != parity; };
  if (!is_done()) {
    wait(self, barrier.waiting, "mbarrier.try_wait");
    if (settings().schedule == Schedule::kRandom && random_.next() % 4 == 0) return false;
  }
  if (!is_done()) return false;
  receive(&barrier.sync_points[parity]);
  return true;
}

// ---- registers -------------------------------------------------------------------------------------------------------------------------

void Block::take_registers(Thread& self, int registers) {
  if (registers < self.registers) fail("setmaxnreg.inc: to %d registers from %d", registers, self.registers);
  while (registers_ + registers - self.registers > launched_registers_) wait(self, want_registers_, "setmaxnreg.inc");
  registers_ += registers - self.registers;
  self.registers = registers;
}

void Block::give_registers(Thread& self, int registers) {
  if (registers > self.registers) fail("setmaxnreg.dec: to %d registers from %d", registers, self.registers);
  registers_ += registers - self.registers;
  self.registers = registers;
  wake(want_registers_);
}

// ---- what kernels call -----------------------------------------------------------------------------------------------------------------

uint32_t shared_window_address(const void* address) { return running().block->window_address(address); }

uint32_t mapa(uint32_t address, uint32_t rank) {
  Block& own = *running().block;
  own.cluster().block(own, rank);
  return (address & kAddressMask) | (rank + 1) << kRankShift;
}

void mbarrier_init(uint32_t barrier, uint32_t arrivals) { running().block->new_barrier(barrier, arrivals); }

void fence_mbarrier_init() { running().block->fence_barriers(); }

namespace {

// The barrier for every operation except mbarrier.init. Counts as a read, so ThreadSanitizer reports an mbarrier.init that is not ordered
// before it.
SharedBarrier& use(Block& block, uint32_t address, const char* what) {
  SharedBarrier& barrier = block.barrier_at(address, what);
  read_memory(block.at(address, kBarrierBytes, what), kBarrierBytes);
  return barrier;
}

void arrive(uint32_t address, uint32_t bytes, const char* what) {
  Block& block = block_of(address);
  SharedBarrier& barrier = use(block, address & kAddressMask, what);
  if (&block != running().block && !barrier.fenced) fail("%s: the barrier of another block was initialised without a fence", what);
  barrier.bytes += bytes;
  if (barrier.bytes > kMaxBytes)
    fail("%s: %lld bytes are announced, more than a barrier counts", what, static_cast<long long>(barrier.bytes));
  publish(&barrier.sync_points[barrier.phase & 1]);
  block.arrive(barrier);
}

void check_registers(int registers, const char* what) {
  if (registers < 24 || registers > 256 || registers % 8 != 0)
    fail("%s: %d registers, must be a multiple of 8 in 24 to 256", what, registers);
  exchange(~0u, to_lane_value(registers), what);
}

}  // namespace

void mbarrier_arrive(uint32_t barrier) { arrive(barrier, 0, "mbarrier.arrive"); }
void mbarrier_arrive_expect_tx(uint32_t barrier, uint32_t bytes) { arrive(barrier, bytes, "mbarrier.arrive.expect_tx"); }

bool mbarrier_try_wait_parity(uint32_t barrier, uint32_t parity) {
  Thread& self = running();
  if (parity > 1) fail("mbarrier.try_wait.parity: %u", parity);
  return self.block->try_wait(self, use(*self.block, barrier, "mbarrier.try_wait"), parity);
}

void setmaxnreg_dec(int registers) {
  check_registers(registers, "setmaxnreg.dec");
  Thread& self = running();
  self.block->give_registers(self, registers);
}

void setmaxnreg_inc(int registers) {
  check_registers(registers, "setmaxnreg.inc");
  Thread& self = running();
  self.block->take_registers(self, registers);
}

}  // namespace cuda_emulation
