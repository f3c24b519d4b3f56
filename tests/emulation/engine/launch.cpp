// Launches: refuses what a device would refuse, and distributes clusters over workers.
#include "../include/cuda_emulation/launch.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>

#include "../standin/standin.h"
#include "cluster.h"
#include "faults.h"

namespace cuda_emulation {
namespace {

// Under ThreadSanitizer, consecutive clusters run on different fibers, which it takes for different threads. So it reports races between
// the clusters of a launch. There are only two sets of fibers, because the cost of a barrier grows with the square of the number of
// threads.
constexpr int kPools = kSanitizeThread ? 2 : 1;

// The clusters of a launch. Each worker takes the next one.
struct Work {
  const Grid& grid;
  uint64_t clusters;
  int workers;
  std::atomic<uint64_t> next{0};

  void run() {
    static thread_local Cluster pools[kPools];
    static thread_local unsigned turn = 0;
    for (Cluster& pool : pools) pool.begin(grid);
    for (uint64_t taken; (taken = next.fetch_add(1)) < clusters;) {
      const uint64_t number = settings().schedule == Schedule::kDescending ? clusters - 1 - taken : taken;
      pools[turn++ % kPools].run(grid, number);
    }
    for (Cluster& pool : pools) pool.end();
  }
};

// Threads that live as long as the process and run clusters of the current launch. If they are busy, a launch runs on its own thread alone.
class Workers {
 public:
  static Workers& instance() {
    static Workers* const workers = new Workers;  // never destroyed: its threads may outlive static objects
    return *workers;
  }

  void run(Work& work) {
    std::unique_lock<std::mutex> use(in_use_, std::try_to_lock);
    if (use.owns_lock() && count_ > 0 && work.clusters > 1 && work.workers > 1) {
      {
        std::lock_guard<std::mutex> lock(mutex_);
        work_ = &work;
        round_++;
        busy_ = count_;
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
  Workers() : count_(settings().workers - 1) {
    for (int i = 0; i < count_; i++) std::thread([this, i] { work_on(i + 1); }).detach();
  }

  [[noreturn]] void work_on(int worker) {
    for (uint64_t seen = 0;;) {
      Work* work;
      {
        std::unique_lock<std::mutex> lock(mutex_);
        wake_.wait(lock, [&] { return round_ != seen; });
        seen = round_;
        work = work_;
      }
      if (worker < work->workers) work->run();
      std::lock_guard<std::mutex> lock(mutex_);
      if (--busy_ == 0) done_.notify_all();
    }
  }

  std::mutex in_use_, mutex_;
  std::condition_variable wake_, done_;
  const int count_;
  Work* work_ = nullptr;
  uint64_t round_ = 0;
  int busy_ = 0;
};

// The limits of dynamic shared memory that cudaFuncSetAttribute has set.
std::mutex limits_mutex;
std::map<const void*, size_t>& limits() {
  static auto* const limits = new std::map<const void*, size_t>;
  return *limits;
}

int device_attribute(cudaDeviceAttr attribute) {
  int value = 0;
  cudaDeviceGetAttribute(&value, attribute, 0);
  return value;
}

constexpr int kPortableClusterBlocks = 8;

// A launch without the attribute has clusters of one block. CUDA documents one error code for every invalid cluster.
cudaError_t find_cluster(const cudaLaunchConfig_t& config, dim3* cluster) {
  for (unsigned i = 0; i < config.numAttrs; i++) {
    if (config.attrs[i].id != cudaLaunchAttributeClusterDimension) return cudaErrorNotSupported;
    const uint3& size = config.attrs[i].val.clusterDim;
    *cluster = dim3(size.x, size.y, size.z);
  }
  const dim3 &grid = config.gridDim, &size = *cluster;
  const uint64_t blocks = static_cast<uint64_t>(size.x) * size.y * size.z;
  if (blocks == 0 || blocks > static_cast<uint64_t>(max_cluster_size())) return cudaErrorInvalidClusterSize;
  return grid.x % size.x != 0 || grid.y % size.y != 0 || grid.z % size.z != 0 ? cudaErrorInvalidClusterSize : cudaSuccess;
}

cudaError_t check(const cudaLaunchConfig_t& config, const void* kernel, dim3* cluster) {
  const dim3 &grid = config.gridDim, &block = config.blockDim;
  const uint64_t threads = static_cast<uint64_t>(block.x) * block.y * block.z;
  if (threads == 0 || threads > kMaxThreads || block.z > 64) return cudaErrorInvalidConfiguration;
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return cudaErrorInvalidConfiguration;
  if (grid.x > 0x7FFFFFFFu || grid.y > 65535 || grid.z > 65535) return cudaErrorInvalidConfiguration;
  const cudaError_t refused = find_cluster(config, cluster);
  if (refused != cudaSuccess) return refused;
  if (config.dynamicSmemBytes > std::max(kStaticSharedBytes, dynamic_shared_limit(kernel))) return cudaErrorInvalidValue;
  return dpo4j_standin_is_of_current_device(config.stream) ? cudaSuccess : cudaErrorInvalidResourceHandle;
}

// ThreadSanitizer supports at most about 8000 threads, and fibers are kept for the next launch.
void check_sanitizer_has_room(int cluster_blocks, int threads) {
  constexpr int kMaxSanitizerThreads = 8000;
  if (!kSanitizeThread || kPools * (kMaxThreads + (cluster_blocks - 1) * threads) <= kMaxSanitizerThreads) return;
  fail("clusters of %d blocks of %d threads are too much for ThreadSanitizer: test with smaller ones", cluster_blocks, threads);
}

}  // namespace

namespace {

void run(const Grid& grid) {
  const dim3& cluster = grid.cluster;
  const int cluster_blocks = static_cast<int>(cluster.x * cluster.y * cluster.z);
  check_sanitizer_has_room(cluster_blocks, static_cast<int>(grid.threads.x * grid.threads.y * grid.threads.z));
  const uint64_t blocks = static_cast<uint64_t>(grid.blocks.x) * grid.blocks.y * grid.blocks.z;
  // Each stack is a mapping, and their number per process is limited. So clusters run with fewer workers: the number of blocks stays the
  // same.
  Work work{grid, blocks / cluster_blocks, std::max(settings().workers / cluster_blocks, 1)};
  if (settings().workers > 1) {
    Workers::instance().run(work);
  } else {
    work.run();
  }
}

}  // namespace

cudaError_t launch(const cudaLaunchConfig_t& config, const void* kernel, void (*body)(const void*), std::shared_ptr<const void> argument) {
  dim3 cluster;
  const cudaError_t refused = check(config, kernel, &cluster);
  if (refused != cudaSuccess) return dpo4j_standin_report(refused);
  fault_if_asked();
  // If no limit was set, dynamic and static shared memory have 48 KiB together. The static part is known only when the kernel runs.
  const size_t shared_limit = dynamic_shared_limit(kernel) > 0
                                  ? static_cast<size_t>(device_attribute(cudaDevAttrMaxSharedMemoryPerBlockOptin))
                                  : kStaticSharedBytes;
  const Grid grid{config.gridDim, config.blockDim, cluster, config.dynamicSmemBytes, shared_limit, body, argument.get()};
  if (dpo4j_standin_is_capturing(config.stream)) {
    dpo4j_standin_capture(config.stream, [grid, argument] {
      run(grid);
      return cudaSuccess;
    });
    return cudaSuccess;
  }
  dpo4j_standin_count(kLaunches);
  run(grid);
  return cudaSuccess;
}

cudaError_t set_dynamic_shared_limit(const void* kernel, int bytes) {
  if (bytes < 0 || bytes > device_attribute(cudaDevAttrMaxSharedMemoryPerBlockOptin)) return dpo4j_standin_report(cudaErrorInvalidValue);
  std::lock_guard<std::mutex> lock(limits_mutex);
  limits()[kernel] = static_cast<size_t>(bytes);
  return cudaSuccess;
}

size_t dynamic_shared_limit(const void* kernel) {
  std::lock_guard<std::mutex> lock(limits_mutex);
  const auto limit = limits().find(kernel);
  return limit == limits().end() ? 0 : limit->second;
}

void count_occupancy() { dpo4j_standin_count(kOccupancies); }

int max_cluster_size() { return device_attribute(cudaDevAttrClusterLaunch) != 0 ? kPortableClusterBlocks : 1; }

}  // namespace cuda_emulation
