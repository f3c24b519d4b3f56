// Tests clusters of blocks through kernels/cluster.cuh against the CUDA C++ Programming Guide. `cluster_test` runs correct kernels on a
// device with clusters, `cluster_test a100` on one without. `cluster_test FAULT` runs one kernel with a bug, which the emulation must
// report.
#include "cluster.cuh"

#include <cmath>
#include <cstring>

#include "check.h"

namespace {

using dpo4j::cuda::cluster_arrive;
using dpo4j::cuda::cluster_arrive_relaxed;
using dpo4j::cuda::cluster_rank;
using dpo4j::cuda::cluster_shared;
using dpo4j::cuda::cluster_size;
using dpo4j::cuda::cluster_sync;
using dpo4j::cuda::cluster_wait;
using dpo4j::cuda::launch_clusters;
using dpo4j::cuda::LaunchContext;

constexpr int kMaxSize = 8;

LaunchContext context() {
  LaunchContext context{};
  CHECK(dpo4j::cuda::make_launch_context(&context, 0, nullptr) == cudaSuccess);
  return context;
}

template <class... Parameters, class... Arguments>
cudaError_t run(dim3 cluster, void (*kernel)(Parameters...), dim3 blocks, dim3 threads, Arguments... arguments) {
  cudaLaunchAttribute dimension{};
  dimension.id = cudaLaunchAttributeClusterDimension;
  dimension.val.clusterDim = {cluster.x, cluster.y, cluster.z};
  cudaLaunchConfig_t config{};
  config.gridDim = blocks;
  config.blockDim = threads;
  config.attrs = &dimension;
  config.numAttrs = 1;
  return cudaLaunchKernelEx(&config, kernel, static_cast<Parameters>(arguments)...);
}

// ---- who is where -------------------------------------------------------------------------------------------------------------------------

struct Position {
  unsigned rank, size;
};

__global__ void positions(Position* out) {
  const unsigned block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
  if (threadIdx.x == 0) out[block] = {cluster_rank(), cluster_size()};
}

void neighbours_form_clusters() {
  Position* out = device<Position>(3 * kMaxSize * 2);
  for (int size = 1; size <= kMaxSize; size++) {
    CHECK(launch_clusters(context(), size, positions, dim3(3 * size, 2), 32, 0, out) == cudaSuccess);
    for (int block = 0; block < 3 * size * 2; block++) {
      CHECK(out[block].rank == static_cast<unsigned>(block % size) && out[block].size == static_cast<unsigned>(size));
    }
  }
  // Ranks count x fastest, as %cluster_ctarank does.
  CHECK(run(dim3(2, 2, 2), positions, dim3(4, 2, 2), 1, out) == cudaSuccess);
  for (unsigned block = 0; block < 16; block++) CHECK(out[block].rank == block % 2 + 2 * (block / 4 % 2) + 4 * (block / 8));
  cudaFree(out);
}

// ---- shared memory of others --------------------------------------------------------------------------------------------------------------

constexpr int kThreads = 64;

// Blocks of odd rank execute the declaration of the second array first.
__global__ void read_neighbour(int* out) {
  DPO4J_DYNAMIC_SHARED(int, dynamic);
  const unsigned rank = cluster_rank(), next = (rank + 1) % cluster_size();
  const int thread = static_cast<int>(threadIdx.x), mine = static_cast<int>(blockIdx.x * 1000 + threadIdx.x);
  int *first, *second;
  const auto reach_first = [&] {
    DPO4J_SHARED(int, one, [kThreads]);
    first = one;
  };
  const auto reach_second = [&] {
    DPO4J_SHARED(int, two, [2][kThreads]);
    second = two[1];
  };
  if (rank % 2 == 0) reach_first();
  reach_second();
  if (rank % 2 == 1) reach_first();
  first[thread] = mine;
  second[thread] = 2 * mine;
  dynamic[thread] = 3 * mine;
  cluster_sync();
  int* to = out + (blockIdx.x * kThreads + thread) * 3;
  to[0] = cluster_shared(first, next)[kThreads - 1 - thread];
  to[1] = *cluster_shared(second + thread, next);
  to[2] = *cluster_shared(static_cast<const int*>(dynamic) + thread, next);
  cluster_sync();
}

void blocks_read_each_other() {
  constexpr int kClusters = 3;
  for (int size : {1, 2, 3, kMaxSize}) {
    int* out = device<int>(kClusters * size * kThreads * 3);
    CHECK(launch_clusters(context(), size, read_neighbour, kClusters * size, kThreads, kThreads * sizeof(int), out) == cudaSuccess);
    for (int i = 0; i < kClusters * size * kThreads; i++) {
      const int block = i / kThreads, thread = i % kThreads, next = block / size * size + (block % size + 1) % size;
      CHECK(out[i * 3] == next * 1000 + kThreads - 1 - thread);
      CHECK(out[i * 3 + 1] == 2 * (next * 1000 + thread));
      CHECK(out[i * 3 + 2] == 3 * (next * 1000 + thread));
    }
    cudaFree(out);
  }
}

// All blocks write to the array of rank 0 after the first cluster barrier. Elements that no block has written are NaN.
__global__ void write_to_leader(float* out) {
  cluster_sync();
  DPO4J_SHARED(float, gathered, [kMaxSize + 1]);
  if (threadIdx.x == 0) cluster_shared(gathered, 0)[cluster_rank()] = static_cast<float>(blockIdx.x);
  cluster_sync();
  if (cluster_rank() == 0 && threadIdx.x <= cluster_size())
    out[blockIdx.x / cluster_size() * (kMaxSize + 1) + threadIdx.x] = gathered[threadIdx.x];
}

void blocks_write_to_each_other() {
  constexpr int kClusters = 2;
  float* out = device<float>(kClusters * (kMaxSize + 1));
  CHECK(launch_clusters(context(), kMaxSize, write_to_leader, kClusters * kMaxSize, 32, 0, out) == cudaSuccess);
  for (int cluster = 0; cluster < kClusters; cluster++) {
    const float* gathered = out + cluster * (kMaxSize + 1);
    for (int rank = 0; rank < kMaxSize; rank++) CHECK(gathered[rank] == static_cast<float>(cluster * kMaxSize + rank));
    CHECK(std::isnan(gathered[kMaxSize]));
  }
  cudaFree(out);
}

// Writes all shared memory of each block of a cluster, and reads it from every block.
__global__ void fill_all(int* out, int count) {
  DPO4J_DYNAMIC_SHARED(int, dynamic);
  for (int i = threadIdx.x; i < count; i += blockDim.x) dynamic[i] = static_cast<int>(cluster_rank()) * count + i;
  cluster_sync();
  if (threadIdx.x == 0) {
    int wrong = 0;
    for (unsigned rank = 0; rank < cluster_size(); rank++) {
      const int* theirs = cluster_shared(dynamic, rank);
      for (int i = 0; i < count; i += 97) wrong += theirs[i] != static_cast<int>(rank) * count + i;
    }
    out[blockIdx.x] = wrong;
  }
  cluster_sync();
}

void clusters_have_all_the_shared_memory() {
  int* out = device<int>(kMaxSize);
  CHECK(launch_clusters(context(), kMaxSize, fill_all, kMaxSize, 32, context().shared_bytes, out, context().shared_bytes / 4) ==
        cudaSuccess);
  for (int rank = 0; rank < kMaxSize; rank++) CHECK(out[rank] == 0);
  CHECK(launch_clusters(context(), kMaxSize, fill_all, kMaxSize, 32, context().shared_bytes + 4, out, 1) == cudaErrorInvalidValue);
  cudaFree(out);
}

// ---- barriers -----------------------------------------------------------------------------------------------------------------------------

constexpr int kTurns = 5;

// In each turn every thread adds the value of the same thread in the next block. Some threads and one whole block exit first, and the
// barrier does not wait for them.
__global__ void go_round(int* out) {
  DPO4J_SHARED(int, value, [2][kThreads]);
  const unsigned staying = cluster_size() - 1, next = (cluster_rank() + 1) % staying;
  const int thread = static_cast<int>(threadIdx.x);
  if (cluster_rank() == staying || thread >= kThreads - 7) return;
  value[0][thread] = static_cast<int>(cluster_rank()) + 1;
  for (int turn = 0; turn < kTurns; turn++) {
    cluster_sync();
    value[(turn + 1) % 2][thread] = value[turn % 2][thread] + *cluster_shared(&value[turn % 2][thread], next);
  }
  cluster_sync();
  out[blockIdx.x * kThreads + thread] = value[kTurns % 2][thread];
}

void clusters_meet() {
  constexpr int kSize = 4, kStaying = kSize - 1, kClusters = 2;
  int* out = device<int>(kClusters * kSize * kThreads);
  CHECK(launch_clusters(context(), kSize, go_round, kClusters * kSize, kThreads, 0, out) == cudaSuccess);
  int expected[kStaying] = {1, 2, 3};
  for (int turn = 0; turn < kTurns; turn++) {
    const int first = expected[0];
    for (int rank = 0; rank < kStaying; rank++) expected[rank] += rank + 1 < kStaying ? expected[rank + 1] : first;
  }
  for (int i = 0; i < kClusters * kSize * kThreads; i++) {
    const int rank = i / kThreads % kSize;
    if (rank < kStaying && i % kThreads < kThreads - 7) CHECK(out[i] == expected[rank]);
  }
  cudaFree(out);
}

// Blocks go on to other work between the two halves of the last barrier. Only warp 0 has read the shared memory of others.
__global__ void split_barriers(int* out) {
  DPO4J_SHARED(int, value, [kThreads]);
  const unsigned next = (cluster_rank() + 1) % cluster_size();
  value[threadIdx.x] = static_cast<int>(blockIdx.x + 1);
  cluster_arrive();
  cluster_wait();
  int sum = 0;
  if (threadIdx.x < warpSize) {
    sum = value[threadIdx.x] + *cluster_shared(&value[threadIdx.x + warpSize], next);
    cluster_arrive();
  } else {
    cluster_arrive_relaxed();
  }
  __syncthreads();
  out[blockIdx.x * kThreads + threadIdx.x] = sum;
  cluster_wait();
}

void halves_of_a_barrier() {
  constexpr int kBlocks = 2 * kMaxSize;
  int* out = device<int>(kBlocks * kThreads);
  CHECK(launch_clusters(context(), kMaxSize, split_barriers, kBlocks, kThreads, 0, out) == cudaSuccess);
  for (int i = 0; i < kBlocks * kThreads; i++) {
    const int block = i / kThreads, next = block / kMaxSize * kMaxSize + (block % kMaxSize + 1) % kMaxSize;
    CHECK(out[i] == (i % kThreads < warpSize ? block + next + 2 : 0));
  }
  cudaFree(out);
}

// A cluster barrier also orders accesses to device memory.
__global__ void pass_through_device_memory(int* values, int* out) {
  const unsigned first = blockIdx.x - cluster_rank(), other = first + (cluster_rank() + 1) % cluster_size();
  values[blockIdx.x * kThreads + threadIdx.x] = static_cast<int>(blockIdx.x);
  cluster_sync();
  out[blockIdx.x * kThreads + threadIdx.x] = values[other * kThreads + kThreads - 1 - threadIdx.x];
}

void barriers_order_device_memory() {
  constexpr int kBlocks = 2 * kMaxSize;
  int *values = device<int>(kBlocks * kThreads), *out = device<int>(kBlocks * kThreads);
  CHECK(launch_clusters(context(), kMaxSize, pass_through_device_memory, kBlocks, kThreads, 0, values, out) == cudaSuccess);
  for (int i = 0; i < kBlocks * kThreads; i++) {
    const int block = i / kThreads;
    CHECK(out[i] == block / kMaxSize * kMaxSize + (block % kMaxSize + 1) % kMaxSize);
  }
  for (int* address : {values, out}) cudaFree(address);
}

// ---- devices ------------------------------------------------------------------------------------------------------------------------------

void launches_are_refused() {
  Position* out = device<Position>(32);
  CHECK(context().max_cluster_size == kMaxSize && context().shared_bytes == 227 << 10);
  CHECK(launch_clusters(context(), 3, positions, 8, 1, 0, out) == cudaErrorInvalidClusterSize);
  CHECK(launch_clusters(context(), 0, positions, 8, 1, 0, out) == cudaErrorInvalidClusterSize);
  CHECK(launch_clusters(context(), 9, positions, 18, 1, 0, out) == cudaErrorInvalidClusterSize);
  CHECK(launch_clusters(context(), 3, positions, 0, 1, 0, out) == cudaSuccess);
  CHECK(cudaGetLastError() == cudaSuccess);
  CHECK(run(9, positions, 18, 1, out) == cudaErrorInvalidClusterSize);
  CHECK(run(dim3(1, 0, 1), positions, 8, 1, out) == cudaErrorInvalidClusterSize);
  CHECK(run(dim3(1, 2, 1), positions, dim3(2, 3), 1, out) == cudaErrorInvalidClusterSize);
  cudaFree(out);
}

// A kernel knows clusters if its PTX is for compute capability 9.0 or later, or, without PTX, its machine code is. A kernel that the driver
// compiled from PTX for 8.0 for a newer device does not know them.
void code_knows_clusters_by_its_architecture() {
  const auto knows = [](int ptx, int binary) {
    cudaFuncAttributes code{};
    code.ptxVersion = ptx;
    code.binaryVersion = binary;
    return dpo4j::cuda::knows_clusters(code);
  };
  CHECK(knows(90, 90) && knows(0, 90) && knows(120, 120) && knows(90, 100));
  CHECK(!knows(80, 90) && !knows(80, 80) && !knows(0, 80));
}

// The emulated device has 4 SMs, so 2 clusters of 2 blocks are resident. A test may set another number in its context, also a larger one.
void residence_is_the_devices_or_the_tests() {
  for (int said : {0, 1, 3, 7}) {
    LaunchContext asked = context();
    asked.resident_clusters = said;
    int clusters = -1;
    CHECK(dpo4j::cuda::resident_clusters(&clusters, asked, 2, positions, dim3(32), 0) == cudaSuccess);
    CHECK(clusters == (said == 0 ? 2 : said));
  }
}

// An A100 reports clusters of at most 1 block, and a kernel written for clusters gives the right result with clusters of 1.
void an_a100_has_no_clusters() {
  Position* out = device<Position>(4);
  CHECK(context().max_cluster_size == 1 && context().shared_bytes == 163 << 10);
  CHECK(launch_clusters(context(), 2, positions, 4, 1, 0, out) == cudaErrorInvalidClusterSize);
  int blocks = -1;
  CHECK(dpo4j::cuda::resident_clusters(&blocks, context(), 1, positions, dim3(32), 0) == cudaSuccess && blocks == 4);
  CHECK(run(2, positions, 4, 1, out) == cudaErrorInvalidClusterSize);
  CHECK(launch_clusters(context(), 1, positions, 4, 1, 0, out) == cudaSuccess);
  for (int block = 0; block < 4; block++) CHECK(out[block].rank == 0 && out[block].size == 1);
  int* wrong = device<int>(2);
  CHECK(launch_clusters(context(), 1, fill_all, 2, 32, context().shared_bytes, wrong, context().shared_bytes / 4) == cudaSuccess);
  CHECK(wrong[0] == 0 && wrong[1] == 0);
  CHECK(launch_clusters(context(), 1, fill_all, 2, 32, context().shared_bytes + 4, wrong, 1) == cudaErrorInvalidValue);
  cudaFree(out);
  cudaFree(wrong);
}

// ---- kernels that are wrong ---------------------------------------------------------------------------------------------------------------

enum Barrier { kBeforeReading, kBeforeExit, kNone };

// Block 0 adds the values of all blocks of its cluster. The barrier DROPPED is left out.
template <Barrier DROPPED>
__global__ void sum_of_cluster(float* out) {
  DPO4J_SHARED(float, mine, [1]);
  cluster_sync();
  if (threadIdx.x == 0) *mine = static_cast<float>(cluster_rank());
  if (DROPPED != kBeforeReading) cluster_sync();
  if (cluster_rank() == 0 && threadIdx.x == 0) {
    float sum = 0;
    for (unsigned rank = 0; rank < cluster_size(); rank++) sum += *cluster_shared(mine, rank);
    *out = sum;
  }
  if (DROPPED != kBeforeExit) cluster_sync();
}

__global__ void rank_outside(int* out) {
  DPO4J_SHARED(int, mine, [1]);
  cluster_sync();
  *out = *cluster_shared(mine, cluster_size());
}

__global__ void not_shared(int* out) {
  cluster_sync();
  *out = *cluster_shared(out, 1 - cluster_rank());
}

__global__ void before_start(int* out) {
  DPO4J_SHARED(int, mine, [1]);
  if (cluster_rank() == 0) *cluster_shared(mine, 1) = 1;
  cluster_sync();
  out[blockIdx.x] = *mine;
}

// Block 1 has exited when block 0 passes its last barrier.
template <bool MAPS_BEFORE>
__global__ void after_exit(float* out) {
  DPO4J_SHARED(float, value, [1]);
  if (threadIdx.x == 0) *value = 1;
  cluster_sync();
  const float* theirs = MAPS_BEFORE ? cluster_shared(value, 1 - cluster_rank()) : nullptr;
  cluster_sync();
  if (cluster_rank() == 1) return;
  cluster_sync();
  if (!MAPS_BEFORE) theirs = cluster_shared(value, 1);
  if (threadIdx.x == 0) *out = *theirs;
}

__global__ void beyond_array(int* out) {
  DPO4J_SHARED(int, values, [kThreads]);
  values[threadIdx.x] = 1;
  cluster_sync();
  out[threadIdx.x] = cluster_shared(values, 1 - cluster_rank())[threadIdx.x + 1];
  cluster_sync();
}

__global__ void missing_thread() {
  if (cluster_rank() == 1 && threadIdx.x == 3) __syncthreads();
  cluster_sync();
}

__global__ void race_between_clusters(float* out) {
  cluster_sync();
  if (cluster_rank() == 0 && threadIdx.x == 0) *out = 1;
}

enum Half { kWaitDropped, kArrivalWithoutReading, kArrivalTwice, kWaitWithoutArrival };

// Block 0 reads the value of block 1 and arrives. FAULT says what is wrong with the two halves of the last barrier.
template <Half FAULT>
__global__ void halves(float* out) {
  DPO4J_SHARED(float, mine, [1]);
  if (threadIdx.x == 0) *mine = 1;
  cluster_sync();
  if (cluster_rank() == 0 && threadIdx.x == 0) *out = *cluster_shared(mine, 1);
  if (FAULT == kArrivalWithoutReading) {
    cluster_arrive_relaxed();  // does not order the read before it
  } else if (FAULT != kWaitWithoutArrival) {
    cluster_arrive();
  }
  if (FAULT == kArrivalTwice) cluster_arrive();
  if (FAULT != kWaitDropped) cluster_wait();
}

__global__ void too_much_shared() {
  DPO4J_SHARED(int, fixed, [2]);
  fixed[threadIdx.x] = 0;
}

int run_fault(const char* fault) {
  float* out = device<float>(kThreads + 1);
  int* numbers = device<int>(kThreads + 1);
  const auto is = [&](const char* name) { return strcmp(fault, name) == 0; };
  const auto pair = [&](auto kernel, auto... arguments) { launch_clusters(context(), 2, kernel, 2, 32, 0, arguments...); };
  if (is("dropped_before_reading")) pair(sum_of_cluster<kBeforeReading>, out);
  if (is("dropped_before_exit")) pair(sum_of_cluster<kBeforeExit>, out);
  if (is("dropped_none")) pair(sum_of_cluster<kNone>, out);
  if (is("rank_outside")) pair(rank_outside, numbers);
  if (is("not_shared")) pair(not_shared, numbers);
  if (is("before_start")) pair(before_start, numbers);
  if (is("mapped_after_exit")) pair(after_exit<false>, out);
  if (is("read_after_exit")) pair(after_exit<true>, out);
  if (is("beyond_array")) launch_clusters(context(), 2, beyond_array, 2, kThreads, 0, numbers);
  if (is("missing_thread")) pair(missing_thread);
  if (is("race_between_clusters")) launch_clusters(context(), 2, race_between_clusters, 4, 32, 0, out);
  if (is("wait_dropped")) pair(halves<kWaitDropped>, out);
  if (is("arrival_without_reading")) pair(halves<kArrivalWithoutReading>, out);
  if (is("arrival_twice")) pair(halves<kArrivalTwice>, out);
  if (is("wait_without_arrival")) pair(halves<kWaitWithoutArrival>, out);
  if (is("too_much_shared")) launch_clusters(context(), 2, too_much_shared, 2, 2, context().shared_bytes - 4);
  if (is("too_many_threads")) launch_clusters(context(), kMaxSize, positions, kMaxSize, 512, 0, device<Position>(kMaxSize));
  const bool right = out[0] == 1;
  if (!right) printf("the kernel's result is %g\n", out[0]);
  return right ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  const bool a100 = argc > 1 && strcmp(argv[1], "a100") == 0;
  if (argc > 1 && !a100) return run_fault(argv[1]);
  if (a100) {
    an_a100_has_no_clusters();
  } else {
    neighbours_form_clusters();
    blocks_read_each_other();
    blocks_write_to_each_other();
    clusters_have_all_the_shared_memory();
    clusters_meet();
    halves_of_a_barrier();
    barriers_order_device_memory();
    launches_are_refused();
    code_knows_clusters_by_its_architecture();
    residence_is_the_devices_or_the_tests();
  }
  return failures == 0 ? 0 : 1;
}
