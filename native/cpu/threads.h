// The threads of a cpu context. How work is cut into tasks depends only on its sizes, except where results do not depend on it
// (matmul_tiles.h). One thread runs a task, and no two tasks write the same memory. So results do not depend on the number of threads, or on
// which thread runs which task.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace dpo4j::cpu {

// Scratch memory of a thread, for the task that it runs, so that operations do not allocate. 64-byte aligned, contents undefined.
constexpr size_t kScratchBytes = size_t{5} << 18;

class Threads {
 public:
  using Task = void (*)(const void* closure, int64_t task, void* scratch);

  // Throws if a thread cannot be started or its memory cannot be allocated.
  explicit Threads(int32_t count);
  ~Threads();
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

  // With the thread that calls run.
  int64_t count() const { return count_; }

  // Runs the tasks 0 ... tasks-1 and returns when all are done.
  void run(int64_t tasks, Task task, const void* closure);

 private:
  struct Pool;
  Pool* const pool_;
  const int64_t count_;
};

// Calls f(task, scratch) for each task.
template <class F>
void parallel(Threads& threads, int64_t tasks, const F& f) {
  threads.run(tasks, [](const void* closure, int64_t task, void* scratch) { (*static_cast<const F*>(closure))(task, scratch); }, &f);
}

// Calls f(begin, end) for ranges of `range` elements of [0, count); the last may be shorter.
template <class F>
void parallel_ranges(Threads& threads, int64_t count, int64_t range, const F& f) {
  parallel(threads, (count + range - 1) / range, [&](int64_t task, void*) {
    const int64_t begin = task * range;
    f(begin, begin + range < count ? begin + range : count);
  });
}

// Rows per task: about 64 KiB of fp32, enough to be worth a task.
static inline constexpr int64_t rows_per_task(int64_t width) {
  constexpr int64_t kElements = 16384;
  return width >= kElements ? 1 : kElements / width;
}

}  // namespace dpo4j::cpu
