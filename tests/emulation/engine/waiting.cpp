#include "waiting.h"

#include <sched.h>
#include <unistd.h>

#include <atomic>

#include "../include/cuda_emulation/execution.h"

namespace cuda_emulation {
namespace {

// A thread that waits yields kYields times. Then it sleeps kPauses times, for 100 microseconds or more.
constexpr int kYields = 10000, kPauses = 100000;
constexpr int kPauseMicroseconds = 100;

// How many turns have begun on each operating system thread. If there are more than slots, some share one: it may then miss a turn, but not
// many one after another.
constexpr int kSlots = 64;
struct alignas(64) Slot {
  std::atomic<uint64_t> turns{0};
};
Slot slots[kSlots];
std::atomic<unsigned> users{0};
__thread Slot* own_slot = nullptr;

Slot& own() {
  if (own_slot == nullptr) own_slot = &slots[users.fetch_add(1) % kSlots];
  return *own_slot;
}

uint64_t turns_of_all() {
  uint64_t sum = 0;
  for (const Slot& slot : slots) sum += slot.turns.load(std::memory_order_relaxed);
  return sum;
}

// The wait of the thread that runs here.
struct Wait {
  uint64_t own_turns, all_turns;
  int yields, pauses;
};
__thread Wait current_wait;

}  // namespace

void count_turn() {
  std::atomic<uint64_t>& turns = own().turns;
  turns.store(turns.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

void wait_for_word() {
  const uint64_t own_turns = own().turns.load(std::memory_order_relaxed);
  if (own_turns != current_wait.own_turns) current_wait = {own_turns, 0, 0, 0};
  if (current_wait.yields < kYields) {
    current_wait.yields++;
    sched_yield();
    return;
  }
  usleep(kPauseMicroseconds);
  const uint64_t all_turns = turns_of_all();
  if (all_turns != current_wait.all_turns) current_wait.all_turns = all_turns, current_wait.pauses = 0;
  if (++current_wait.pauses > kPauses) fail("deadlock in blocks: a thread waits for a word in memory, and no thread of any block goes on");
}

}  // namespace cuda_emulation
