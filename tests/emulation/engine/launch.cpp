// Launches: what a device would refuse, and the workers that blocks are spread over.
#include "../include/cuda_emulation/launch.h"

#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>

#include "../standin/standin.h"
#include "block.h"

namespace cuda_emulation {
namespace {

// Consecutive blocks run on different fibers. To ThreadSanitizer those are unrelated threads, so a race between blocks of one launch shows.
// Not more than two sets, since the cost of a barrier grows with the square of the number of threads ThreadSanitizer has seen.
constexpr int kPools = kSanitizeThread ? 2 : 1;

// The blocks of a launch, taken by whoever is free.
struct Work {
  const Grid& grid;
  uint64_t blocks;
  std::atomic<uint64_t> next{0};

  void run() {
    static thread_local Block pools[kPools];
    static thread_local unsigned turn = 0;
    for (Block& pool : pools) publish(&pool.border());
    for (uint64_t taken; (taken = next.fetch_add(1)) < blocks;) {
      const uint64_t number = settings().schedule == Schedule::kDescending ? blocks - 1 - taken : taken;
      const uint64_t x = grid.blocks.x, y = grid.blocks.y;
      const uint3 index{static_cast<unsigned>(number % x), static_cast<unsigned>(number / x % y), static_cast<unsigned>(number / (x * y))};
      pools[turn++ % kPools].run(grid, index, number);
    }
    for (Block& pool : pools) receive(&pool.border());
  }
};

// Threads that live as long as the process and help the launch of the moment. A launch that finds them busy runs alone.
class Helpers {
 public:
  static Helpers& instance() {
    static Helpers* const helpers = new Helpers;  // never destroyed: its threads may outlive static objects
    return *helpers;
  }

  void run(Work& work) {
    std::unique_lock<std::mutex> use(in_use_, std::try_to_lock);
    if (use.owns_lock() && helpers_ > 0 && work.blocks > 1) {
      {
        std::lock_guard<std::mutex> lock(mutex_);
        work_ = &work;
        round_++;
        busy_ = helpers_;
      }
      wake_.notify_all();
      work.run();
      std::unique_lock<std::mutex> lock(mutex_);
      done_.wait(lock, [this] { return busy_ == 0; });
    } else {
      work.run();
    }
  }

 private:
  Helpers() : helpers_(settings().workers - 1) {
    for (int i = 0; i < helpers_; i++) std::thread([this] { help(); }).detach();
  }

  [[noreturn]] void help() {
    for (uint64_t seen = 0;;) {
      Work* work;
      {
        std::unique_lock<std::mutex> lock(mutex_);
        wake_.wait(lock, [&] { return round_ != seen; });
        seen = round_;
        work = work_;
      }
      work->run();
      std::lock_guard<std::mutex> lock(mutex_);
      if (--busy_ == 0) done_.notify_all();
    }
  }

  std::mutex in_use_, mutex_;
  std::condition_variable wake_, done_;
  const int helpers_;
  Work* work_ = nullptr;
  uint64_t round_ = 0;
  int busy_ = 0;
};

// Bytes of dynamic shared memory that kernels have asked to be allowed.
std::mutex limits_mutex;
std::map<const void*, size_t>& limits() {
  static auto* const limits = new std::map<const void*, size_t>;
  return *limits;
}

bool allows_dynamic_shared(const void* kernel, size_t bytes) {
  if (bytes <= kStaticSharedBytes) return true;
  std::lock_guard<std::mutex> lock(limits_mutex);
  const auto limit = limits().find(kernel);
  return limit != limits().end() && bytes <= limit->second;
}

cudaError_t check(const cudaLaunchConfig_t& config, const void* kernel) {
  const dim3 &grid = config.gridDim, &block = config.blockDim;
  const uint64_t threads = static_cast<uint64_t>(block.x) * block.y * block.z;
  if (threads == 0 || threads > kMaxThreads || block.z > 64) return cudaErrorInvalidConfiguration;
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return cudaErrorInvalidConfiguration;
  if (grid.x > 0x7FFFFFFFu || grid.y > 65535 || grid.z > 65535) return cudaErrorInvalidConfiguration;
  if (config.numAttrs != 0) return cudaErrorNotSupported;
  if (!allows_dynamic_shared(kernel, config.dynamicSmemBytes)) return cudaErrorInvalidValue;
  return cudaStreamQuery(config.stream);
}

}  // namespace

cudaError_t launch(const cudaLaunchConfig_t& config, const void* kernel, void (*body)(const void*), const void* argument) {
  const cudaError_t refused = check(config, kernel);
  if (refused != cudaSuccess) return dpo4j_standin_report(refused);
  const Grid grid{config.gridDim, config.blockDim, config.dynamicSmemBytes, body, argument};
  Work work{grid, static_cast<uint64_t>(grid.blocks.x) * grid.blocks.y * grid.blocks.z};
  if (settings().workers > 1) {
    Helpers::instance().run(work);
  } else {
    work.run();
  }
  return cudaSuccess;
}

cudaError_t set_dynamic_shared_limit(const void* kernel, int bytes) {
  if (bytes < 0 || static_cast<size_t>(bytes) > kSharedBytes) return dpo4j_standin_report(cudaErrorInvalidValue);
  std::lock_guard<std::mutex> lock(limits_mutex);
  limits()[kernel] = static_cast<size_t>(bytes);
  return cudaSuccess;
}

}  // namespace cuda_emulation
