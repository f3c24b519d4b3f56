// Launches: what a device would refuse, and the workers that blocks are spread over.
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

// Consecutive clusters run on different fibers. To ThreadSanitizer those are unrelated threads, so a race between clusters of one launch
// shows. Not more than two sets, since the cost of a barrier grows with the square of the number of threads ThreadSanitizer has seen.
constexpr int kPools = kSanitizeThread ? 2 : 1;

// The clusters of a launch, taken by whoever is free.
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

// Threads that live as long as the process and help the launch of the moment. A launch that finds them busy runs alone.
class Helpers {
 public:
  static Helpers& instance() {
    static Helpers* const helpers = new Helpers;  // never destroyed: its threads may outlive static objects
    return *helpers;
  }

  void run(Work& work) {
    std::unique_lock<std::mutex> use(in_use_, std::try_to_lock);
    if (use.owns_lock() && helpers_ > 0 && work.clusters > 1 && work.workers > 1) {
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
    for (int i = 0; i < helpers_; i++) std::thread([this, i] { help(i + 1); }).detach();
  }

  [[noreturn]] void help(int worker) {
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

int device_attribute(cudaDeviceAttr attribute) {
  int value = 0;
  cudaDeviceGetAttribute(&value, attribute, 0);
  return value;
}

constexpr int kPortableClusterBlocks = 8;

// A launch without the attribute has clusters of one block. The real library's documentation has one code for all that can be wrong.
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

// ThreadSanitizer knows at most about 8000 threads, and fibers stay for the next launch.
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
  // Stacks are mappings, which a process may not have without end: no more blocks at once for being in clusters.
  Work work{grid, blocks / cluster_blocks, std::max(settings().workers / cluster_blocks, 1)};
  if (settings().workers > 1) {
    Helpers::instance().run(work);
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
  // Without permission, what is dynamic and arrays of fixed size, which show when the kernel runs, have 48 KiB together.
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

int max_cluster_size() { return device_attribute(cudaDevAttrClusterLaunch) != 0 ? kPortableClusterBlocks : 1; }

}  // namespace cuda_emulation
