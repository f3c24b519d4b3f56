#include "block.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <algorithm>

#include "cluster.h"
#include "waiting.h"

__thread uint3 threadIdx, blockIdx, blockDim, gridDim;

namespace cuda_emulation {
namespace {

// The thread whose fiber runs on this operating system thread.
__thread Thread* current = nullptr;

constexpr size_t kRedzoneBytes = kSanitizeAddress ? 64 : 0;
constexpr size_t kArenaAlignment = 1024;  // the period of the swizzle, which is a function of the address
constexpr size_t kArenaBytes = (kSharedBytes + 64 * (kRedzoneBytes + 128) + kArenaAlignment - 1) / kArenaAlignment * kArenaAlignment;
constexpr int kMaxRegisters = 255;  // per thread

// The tag of dynamic shared memory, as arrays of a fixed size have theirs.
const char dynamic_tag = 0;

unsigned bit(int lane) { return 1u << lane; }

// Names are string literals. The compiler may keep several copies of one.
bool same(const char* a, const char* b) { return a == b || strcmp(a, b) == 0; }

}  // namespace

Thread& running() { return *current; }

void fill_with_ff(void* address, size_t bytes) { asm volatile("rep stosb" : "+D"(address), "+c"(bytes) : "a"(0xFF) : "memory"); }

void copy_bytes(void* to, const void* from, size_t bytes) { asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(bytes) : : "memory"); }

void fail(const char* format, ...) {
  char text[512];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  fflush(stdout);
  fprintf(stderr, "CUDA emulation: %s", text);
  if (current != nullptr) {
    const uint3 block = current->block->index(), thread = current->index;
    fprintf(stderr, " (block %u,%u,%u thread %u,%u,%u)", block.x, block.y, block.z, thread.x, thread.y, thread.z);
  }
  fputc('\n', stderr);
  abort();
}

Block::Block(Cluster& cluster, unsigned rank)
    : cluster_(cluster), rank_(rank), threads_(new Thread[kMaxThreads]), warps_(new Warp[kMaxWarps]) {
  shared_ = static_cast<char*>(aligned_alloc(kArenaAlignment, kArenaBytes));
  seen_ = static_cast<char*>(malloc(kArenaBytes));
  if (shared_ == nullptr || seen_ == nullptr) fail("no memory for a block's shared memory");
}

Block::~Block() {
  free(shared_);
  free(seen_);
}

// ---- scheduling ------------------------------------------------------------------------------------------------------------------------

void Block::start(const Grid& grid, uint3 index, uint64_t number) {
  grid_ = &grid;
  index_ = index;
  blockDim = {grid.threads.x, grid.threads.y, grid.threads.z};
  gridDim = {grid.blocks.x, grid.blocks.y, grid.blocks.z};
  random_ = Random(settings().seed, number);
  arrived_ = 0;
  live_ = static_cast<int>(grid.threads.x * grid.threads.y * grid.threads.z);

  shared_barriers_.clear();
  want_registers_.clear();
  forbid_memory(shared_, kArenaBytes);
  arrays_.clear();
  shared_used_ = static_bytes_ = 0;
  dynamic_shared_ = grid.dynamic_shared_bytes == 0 ? nullptr : reserve_shared(&dynamic_tag, grid.dynamic_shared_bytes, 128);

  order_.clear();
  for (int first = 0; first < live_; first += warpSize) {
    Warp& warp = warps_[first / warpSize];
    const int lanes = std::min(live_ - first, warpSize);
    warp.live = warp.ready = lanes == warpSize ? ~0u : bit(lanes) - 1;
    warp.at_barrier = warp.at_cluster_barrier = 0;
    warp.masks = 0;
    warp.products.clear();
    order_.push_back(&warp);
  }
  if (settings().schedule == Schedule::kDescending) std::reverse(order_.begin(), order_.end());

  // The max that a kernel with so many threads may have, a multiple of 8.
  const int registers = std::min(kRegistersOfBlock / live_ / 8 * 8, kMaxRegisters);
  registers_ = launched_registers_ = registers * live_;
  for (int i = 0; i < live_; i++) {
    Thread& thread = threads_[i];
    const unsigned n = static_cast<unsigned>(i), x = grid.threads.x, y = grid.threads.y;
    thread.block = this;
    thread.warp = &warps_[i / warpSize];
    thread.lane = i % warpSize;
    thread.index = {n % x, n / x % y, n / (x * y)};
    thread.fenced = thread.woken = thread.has_arrived = false;
    thread.registers = registers;
    thread.product_meetings = 0;
    thread.copies.clear();
    thread.bulk_copies.clear();
    thread.warp->threads[thread.lane] = &thread;
  }
}

bool Block::take_turns() {
  blockIdx = index_;
  bool progress = false;
  const bool random = settings().schedule == Schedule::kRandom;
  // A copy lands when no thread of the block can continue; in a random schedule, at any time.
  while (live_ > 0 && (take_turn() || cluster_.land_copy())) {
    progress = true;
    if (random && random_.next() % 4 == 0) cluster_.land_copy();
    if (random && random_.next() % 2 == 0) break;
  }
  return progress;
}

bool Block::take_turn() {
  if (settings().schedule == Schedule::kRandom) random_.shuffle(order_);
  bool progress = false;
  for (Warp* warp : order_) {
    progress |= warp->ready != 0;
    run_warp(*warp);
  }
  return progress;
}

// Runs the warp until all its lanes wait or have exited. A random schedule may stop earlier.
void Block::run_warp(Warp& warp) {
  const Schedule schedule = settings().schedule;
  while (warp.ready != 0) {
    unsigned candidates = warp.ready;
    if (schedule == Schedule::kRandom) {
      for (uint64_t skip = random_.next() % __builtin_popcount(candidates); skip > 0; skip--) candidates &= candidates - 1;
    }
    Thread& thread = take_lane(warp, candidates);
    begin_turn(thread);
    thread.fiber.resume(&Block::thread_main);
    current = nullptr;
    if (schedule == Schedule::kRandom && random_.next() % 16 == 0) return;
  }
}

Thread& Block::take_lane(Warp& warp, unsigned candidates) {
  const int lane = settings().schedule == Schedule::kDescending ? 31 - __builtin_clz(candidates) : __builtin_ctz(candidates);
  warp.ready &= ~bit(lane);
  return *warp.threads[lane];
}

void Block::begin_turn(Thread& thread) {
  count_turn();
  current = &thread;
  threadIdx = thread.index;
}

// Switches directly to the lane that run_warp would resume next. In a random schedule run_warp chooses the lane, so it switches there.
void Block::pass_turn() {
  Warp& warp = *current->warp;
  if (warp.ready == 0 || settings().schedule == Schedule::kRandom) {
    Fiber::suspend();
    return;
  }
  Thread& next = take_lane(warp, warp.ready);
  if (&next == current) return;
  begin_turn(next);
  Fiber::pass_to(next.fiber);
}

// A fiber runs a thread of one block, then a thread of the next. For ThreadSanitizer, these threads start after the beginning of the launch
// and after the end of the previous block with these fibers and this shared memory.
void Block::thread_main() {
  for (;;) {
    Block& block = *current->block;
    receive(&block.borders_[block.blocks_ & 1]);
    block.grid_->body(block.grid_->argument);
    publish(&block.borders_[(block.blocks_ + 1) & 1]);
    block.exit(*current);
    pass_turn();
  }
}

void Block::exit(Thread& thread) {
  if (thread.has_arrived) fail("a thread exits that has arrived at the barrier of its cluster and has not waited for it");
  if (thread.copies.under_way()) fail("a thread exits with copies under way (cp.async) that it has not waited for");
  if (thread.bulk_copies.under_way()) fail("a thread exits with bulk copies under way (cp.async.bulk) that it has not waited for");
  thread.warp->live &= ~bit(thread.lane);
  live_--;
  if (live_ > 0 && arrived_ == live_) open_barrier();
  if (live_ == 0) check_exit();
  if (live_ == 0 && cluster_.size() > 1) end_shared_memory();
  cluster_.exit();
}

void Block::report_waiting() const {
  if (live_ == 0) {
    fprintf(stderr, "  block %u,%u,%u has exited\n", index_.x, index_.y, index_.z);
    return;
  }
  fprintf(stderr, "CUDA emulation: deadlock in block %u,%u,%u\n", index_.x, index_.y, index_.z);
  for (Warp* warp : order_) {
    for (unsigned left = warp->live; left != 0;) {
      const char* operation = warp->threads[__builtin_ctz(left)]->waits_in;
      unsigned same = 0;
      for (int lane = 0; lane < warpSize; lane++) {
        if ((left & bit(lane)) != 0 && warp->threads[lane]->waits_in == operation) same |= bit(lane);
      }
      fprintf(stderr, "  warp %d: lanes %08x wait in %s\n", static_cast<int>(warp - warps_.get()), same, operation);
      left &= ~same;
    }
  }
}

// ---- barriers and exchanges ------------------------------------------------------------------------------------------------------------

int Block::barrier(Thread& self, Vote vote, bool predicate, const char* operation) {
  if (arrived_ == 0) {
    votes_ = vote == Vote::kAnd ? 1 : 0;
    vote_ = vote;
    barrier_operation_ = operation;
  } else if (vote != vote_) {
    fail("a thread is in %s while others of its block wait in %s", operation, barrier_operation_);
  }
  if (vote == Vote::kAnd) {
    votes_ &= predicate;
  } else {
    votes_ += predicate;
  }
  const int side = barriers_ & 1;
  publish(&barrier_points_[side]);
  self.warp->at_barrier |= bit(self.lane);
  self.waits_in = operation;
  arrived_++;
  if (arrived_ == live_) open_barrier();
  pass_turn();
  receive(&barrier_points_[side]);
  const int result = results_[side];
  return vote == Vote::kOr ? result != 0 : result;
}

void Block::open_barrier() {
  results_[barriers_ & 1] = votes_;
  barriers_++;
  arrived_ = 0;
  for (Warp* warp : order_) {
    warp->ready |= warp->at_barrier;
    warp->at_barrier = 0;
  }
}

void Block::leave_cluster_barrier() {
  for (Warp* warp : order_) {
    warp->ready |= warp->at_cluster_barrier;
    warp->at_cluster_barrier = 0;
  }
}

Meeting& Block::meeting_of(Warp& warp, unsigned mask) {
  for (int i = 0; i < warp.masks; i++) {
    if (warp.meetings[i].mask == mask) return warp.meetings[i];
  }
  if (warp.masks == kMaxMasks) fail("a warp uses more than %d different masks", kMaxMasks);
  Meeting& meeting = warp.meetings[warp.masks++];
  meeting.mask = mask;
  meeting.arrived = meeting.count = 0;
  return meeting;
}

const Exchange& Block::exchange(Thread& self, unsigned mask, const LaneValue& mine, const char* operation, bool orders_memory) {
  Warp& warp = *self.warp;
  if ((mask & bit(self.lane)) == 0) fail("%s: the calling lane %d is not in its own mask %08x", operation, self.lane, mask);
  if ((mask & ~warp.live) != 0) fail("%s: mask %08x names lanes %08x, which have exited or never were", operation, mask, mask & ~warp.live);
  Meeting& meeting = meeting_of(warp, mask);
  if (meeting.arrived == 0) {
    meeting.operation = operation;
  } else if (!same(meeting.operation, operation)) {
    fail("a lane is in %s while others of its warp wait in %s", operation, meeting.operation);
  }
  Exchange& exchanged = meeting.exchanges[meeting.count & 1];
  exchanged.values[self.lane] = mine;
  if (orders_memory) publish(&exchanged);
  meeting.arrived |= bit(self.lane);
  if (meeting.arrived == mask) {
    meeting.arrived = 0;
    meeting.count++;
    warp.ready |= mask & ~bit(self.lane);
  } else {
    self.waits_in = operation;
    pass_turn();
  }
  if (orders_memory) receive(&exchanged);
  return exchanged;
}

// ---- shared memory --------------------------------------------------------------------------------------------------------------------

void* Block::shared_array(const void* tag, size_t bytes, size_t alignment) {
  for (const SharedArray& array : arrays_) {
    if (array.tag == tag) return array.address;
  }
  static_bytes_ += bytes;
  if (static_bytes_ > kStaticSharedBytes) fail("more than %zu bytes of shared memory of fixed size", kStaticSharedBytes);
  if (static_bytes_ + grid_->dynamic_shared_bytes > grid_->shared_limit_bytes) {
    fail("more than %zu bytes of shared memory, of fixed size and dynamic together", grid_->shared_limit_bytes);
  }
  return reserve_shared(tag, bytes, alignment);
}

void* Block::reserve_shared(const void* tag, size_t bytes, size_t alignment) {
  const size_t at = (shared_used_ + kRedzoneBytes + alignment - 1) / alignment * alignment;
  if (at + bytes + kRedzoneBytes > kArenaBytes) fail("too many shared arrays");
  shared_used_ = at + bytes;
  char* address = shared_ + at;
  allow_memory(address, bytes);
  fill_with_ff(address, bytes);
  fill_with_ff(seen_ + at, bytes);
  arrays_.push_back({tag, address, bytes, alignment});
  return address;
}

void Block::show_to_products() {
  for (const SharedArray& array : arrays_) copy_bytes(seen_ + (array.address - shared_), array.address, array.bytes);
}

bool Block::has_shared(const void* address, size_t bytes) const {
  const char* first = static_cast<const char*>(address);
  for (const SharedArray& array : arrays_) {
    if (first >= array.address && first + bytes <= array.address + array.bytes) return true;
  }
  return false;
}

// If the other block has not asked for the array yet, it gets it here: on a device it has the array from its start.
void* Block::counterpart(const void* mine, Block& other) const {
  const char* address = static_cast<const char*>(mine);
  for (const SharedArray& array : arrays_) {
    if (address < array.address || address >= array.address + array.bytes) continue;
    void* theirs = array.tag == &dynamic_tag ? other.dynamic_shared_ : other.shared_array(array.tag, array.bytes, array.alignment);
    return static_cast<char*>(theirs) + (address - array.address);
  }
  fail("%p is not in the shared memory of the calling block", mine);
}

// Called by the last thread to exit. If another block of the cluster accesses this shared memory later, it reads NaN, AddressSanitizer
// reports a poisoned address, and ThreadSanitizer reports a race with this write.
void Block::end_shared_memory() {
  SyncPoint& end = borders_[(blocks_ + 1) & 1];
  receive(&end);
  write_memory(shared_, shared_used_);
  publish(&end);
  fill_with_ff(shared_, shared_used_);
  forbid_memory(shared_, kArenaBytes);
}

uint32_t Block::window_address(const void* address) const {
  const ptrdiff_t at = static_cast<const char*>(address) - shared_;
  if (at < 0 || at >= static_cast<ptrdiff_t>(shared_used_)) fail("%p is not in the shared memory of the calling block", address);
  return static_cast<uint32_t>(at);
}

char* Block::at(uint32_t address, size_t bytes, const char* what) const {
  for (const SharedArray& array : arrays_) {
    const size_t begin = static_cast<size_t>(array.address - shared_);
    if (address >= begin && address + bytes <= begin + array.bytes) return shared_ + address;
  }
  fail("%s: %zu bytes at %#x are not within an array of the block's shared memory", what, bytes, address);
}

// ---- what kernels call ----------------------------------------------------------------------------------------------------------------

Thread& current_thread() { return *current; }
int lane() { return current->lane; }
unsigned live_lanes() { return current->warp->live; }
void fence() { current->fenced = true; }
bool has_fenced() { return current->fenced; }

const Exchange& exchange(unsigned mask, const LaneValue& mine, const char* operation) {
  return current->block->exchange(*current, mask, mine, operation, false);
}

void order_warp(unsigned mask) { current->block->exchange(*current, mask, LaneValue{}, "__syncwarp", true); }

int barrier(Vote vote, bool predicate, const char* operation) { return current->block->barrier(*current, vote, predicate, operation); }

void* shared_array(const void* tag, size_t bytes, size_t alignment) { return current->block->shared_array(tag, bytes, alignment); }
void* dynamic_shared() { return current->block->dynamic_shared(); }

unsigned cluster_rank() { return current->block->rank(); }
unsigned cluster_size() { return static_cast<unsigned>(current->block->cluster().size()); }
void cluster_barrier(const char* operation) { current->block->cluster().barrier(*current, operation); }
void cluster_arrive(bool releases) { current->block->cluster().arrive(*current, releases); }
void cluster_wait(const char* operation) { current->block->cluster().wait(*current, operation); }
void* cluster_shared(const void* mine, unsigned rank) { return current->block->cluster().shared(*current->block, mine, rank); }

}  // namespace cuda_emulation
