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
// A worker looks for new work this often before it sleeps: the operations of a decoder follow each other within microseconds.
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

struct Threads::Pool {
  std::mutex mutex;
  std::condition_variable wake;
  std::atomic<uint64_t> round{0};  // raised under the mutex for each run, and once more to stop
  std::atomic<int64_t> next{0};    // the next task that nobody took
  std::atomic<int> working{0};     // workers that have not finished this round
  bool stopping = false;
  int64_t tasks = 0;
  Task task = nullptr;
  const void* closure = nullptr;
  Scratch own;  // of the thread that calls run
  std::vector<std::thread> workers;

  void take_tasks(void* scratch) {
    for (int64_t i; (i = next.fetch_add(1, std::memory_order_relaxed)) < tasks;) task(closure, i, scratch);
  }

  void start_round() {
    {
      const std::lock_guard<std::mutex> lock(mutex);
      round.fetch_add(1, std::memory_order_release);
    }
    wake.notify_all();
  }

  void wait_for_round_after(uint64_t seen) {
    for (int i = 0; i < kSpins; i++) {
      if (round.load(std::memory_order_acquire) != seen) return;
      pause();
    }
    std::unique_lock<std::mutex> lock(mutex);
    wake.wait(lock, [&] { return round.load(std::memory_order_acquire) != seen; });
  }

  void work() {
    const Scratch scratch;
    for (uint64_t seen = 0;;) {
      wait_for_round_after(seen);
      seen++;
      if (stopping) return;
      take_tasks(scratch.bytes);
      working.fetch_sub(1, std::memory_order_release);
    }
  }

  void stop() {
    stopping = true;
    start_round();
    for (std::thread& worker : workers) worker.join();
  }
};

Threads::Threads(int32_t count) : pool_(new Pool) {
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
  pool.next.store(0, std::memory_order_relaxed);
  pool.working.store(static_cast<int>(pool.workers.size()), std::memory_order_relaxed);
  pool.start_round();
  pool.take_tasks(pool.own.bytes);
  for (int spins = 0; pool.working.load(std::memory_order_acquire) != 0; spins++) {
    if (spins < kSpins) {
      pause();
    } else {
      std::this_thread::yield();
    }
  }
}

}  // namespace dpo4j::cpu
