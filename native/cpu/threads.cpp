#include "threads.h"

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <new>
#include <thread>
#include <vector>

namespace dpo4j::cpu {
namespace {

constexpr size_t kPage = 4096;
// How many times a worker polls for new work before it sleeps. Operations of a decoder follow each other within microseconds, so polling is
// usually faster than sleeping.
constexpr int kSpins = 2000;

inline void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

struct Scratch {
  void* const bytes = ::operator new(kScratchBytes, std::align_val_t(kPage));
  ~Scratch() { ::operator delete(bytes, std::align_val_t(kPage)); }
  Scratch() = default;
  Scratch(const Scratch&) = delete;
};

}  // namespace

// One call of run() is a round. A worker that wakes up late finds the round closed, so the caller does not wait for it. Otherwise, on a
// busy machine, the caller would do all tasks itself and then wait until the operating system schedules the workers.
struct Threads::Pool {
  std::mutex mutex;
  std::condition_variable wake;
  std::atomic<uint64_t> round{0};        // incremented under the mutex when a round opens, and once more to stop
  std::atomic<int32_t> guests{kClosed};  // workers in the open round; negative: closed, workers may finish but not enter
  std::atomic<int64_t> next{0};          // the next task to take
  std::atomic<bool> stopping{false};     // set before the last round; a worker that is late for an earlier round may see it too and leaves
  int64_t tasks = 0;
  Task task = nullptr;
  const void* closure = nullptr;
  Scratch own;  // for the thread that calls run
  std::vector<std::thread> workers;

  static constexpr int32_t kClosed = INT32_MIN / 2;

  void take_tasks(void* scratch) {
    for (int64_t i; (i = next.fetch_add(1, std::memory_order_relaxed)) < tasks;) task(closure, i, scratch);
  }

  bool enter() {
    int32_t present = guests.load(std::memory_order_relaxed);
    while (present >= 0) {
      if (guests.compare_exchange_weak(present, present + 1, std::memory_order_acquire, std::memory_order_relaxed)) return true;
    }
    return false;
  }

  void leave() { guests.fetch_sub(1, std::memory_order_release); }

  void open() {
    next.store(0, std::memory_order_relaxed);
    guests.store(0, std::memory_order_release);
    wake_workers();
  }

  void close() {
    guests.fetch_add(kClosed, std::memory_order_relaxed);
    for (int spins = 0; guests.load(std::memory_order_acquire) != kClosed; spins++) {
      if (spins < kSpins) {
        pause();
      } else {
        std::this_thread::yield();
      }
    }
  }

  void wake_workers() {
    {
      const std::lock_guard<std::mutex> lock(mutex);
      round.fetch_add(1, std::memory_order_release);
    }
    wake.notify_all();
  }

  // Waits for a round other than `seen`, and returns it.
  uint64_t wait_for_round_after(uint64_t seen) {
    for (int i = 0; i < kSpins; i++) {
      const uint64_t now = round.load(std::memory_order_acquire);
      if (now != seen) return now;
      pause();
    }
    std::unique_lock<std::mutex> lock(mutex);
    wake.wait(lock, [&] { return round.load(std::memory_order_acquire) != seen; });
    return round.load(std::memory_order_acquire);
  }

  void work() {
    const Scratch scratch;
    for (uint64_t seen = 0;;) {
      seen = wait_for_round_after(seen);
      if (stopping.load(std::memory_order_relaxed)) return;
      if (!enter()) continue;
      take_tasks(scratch.bytes);
      leave();
    }
  }

  void stop() {
    stopping.store(true, std::memory_order_relaxed);
    wake_workers();
    for (std::thread& worker : workers) worker.join();
  }
};

Threads::Threads(int32_t count) : pool_(new Pool), count_(count < 1 ? 1 : count) {
  try {
    for (int32_t i = 1; i < count; i++) pool_->workers.emplace_back([pool = pool_] { pool->work(); });
  } catch (...) {
    pool_->stop();
    delete pool_;
    throw;
  }
}

Threads::~Threads() {
  pool_->stop();
  delete pool_;
}

void Threads::run(int64_t tasks, Task task, const void* closure) {
  Pool& pool = *pool_;
  if (tasks <= 1 || pool.workers.empty()) {
    for (int64_t i = 0; i < tasks; i++) task(closure, i, pool.own.bytes);
    return;
  }
  pool.tasks = tasks;
  pool.task = task;
  pool.closure = closure;
  pool.open();
  pool.take_tasks(pool.own.bytes);
  pool.close();
}

}  // namespace dpo4j::cpu
