// The stand-in libcudart: stream capture, and graphs. A graph is the work of one stream, in order. Captures have thread-local mode: calls
// of the capturing thread that wait or allocate are refused and invalidate the capture. Stricter than a device: so do copies from or to the
// host.
#include <stdint.h>

#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include "cudart.h"

using Work = std::vector<std::function<cudaError_t()>>;

struct CUgraph_st {
  Work work;
};

struct CUgraphExec_st {
  Work work;
};

namespace {

struct Capture {
  Work work;
  bool spoiled = false;
};

std::mutex mutex;
std::map<cudaStream_t, Capture>& captures() {
  static auto* const captures = new std::map<cudaStream_t, Capture>;  // never destroyed: streams may be closed during exit
  return *captures;
}

thread_local cudaStream_t captured_here = nullptr;

cudaError_t begin(cudaStream_t stream, cudaStreamCaptureMode mode) {
  if (mode != cudaStreamCaptureModeThreadLocal) return cudaErrorNotSupported;
  // Of the default streams, CUDA captures cudaStreamPerThread, but not the legacy stream.
  const bool per_thread = reinterpret_cast<uintptr_t>(stream) == 2;
  if (!per_thread && !dpo4j_standin_has_handle(stream, "stream")) return cudaErrorStreamCaptureUnsupported;
  if (captured_here != nullptr || dpo4j_standin_is_capturing(stream)) return cudaErrorIllegalState;
  std::lock_guard<std::mutex> lock(mutex);
  captures()[stream];
  captured_here = stream;
  dpo4j_standin_count(kCaptures);
  return cudaSuccess;
}

cudaError_t end(cudaStream_t stream, cudaGraph_t* graph) {
  if (graph == nullptr) return cudaErrorInvalidValue;
  *graph = nullptr;
  std::lock_guard<std::mutex> lock(mutex);
  const auto found = captures().find(stream);
  if (found == captures().end() || captured_here != stream) return cudaErrorIllegalState;
  const Capture capture = std::move(found->second);
  captures().erase(found);
  captured_here = nullptr;
  if (capture.spoiled) return cudaErrorStreamCaptureInvalidated;
  *graph = new CUgraph_st{capture.work};
  dpo4j_standin_add_handle(*graph, "graph");
  return cudaSuccess;
}

cudaError_t launch(cudaGraphExec_t executable, cudaStream_t stream) {
  if (!dpo4j_standin_has_handle(executable, "executable graph")) return cudaErrorInvalidResourceHandle;
  if (dpo4j_standin_is_capturing(stream)) return cudaErrorNotSupported;
  dpo4j_standin_count(kGraphLaunches);
  for (const auto& work : executable->work) {
    const cudaError_t error = work();
    if (error != cudaSuccess) cudart::fail_for_good(error);  // as on a device: synchronisation fails
  }
  return cudaSuccess;
}

}  // namespace

namespace cudart {

bool spoils_capture() {
  if (captured_here == nullptr) return false;
  std::lock_guard<std::mutex> lock(mutex);
  captures()[captured_here].spoiled = true;
  return true;
}

}  // namespace cudart

bool dpo4j_standin_is_capturing(cudaStream_t stream) {
  std::lock_guard<std::mutex> lock(mutex);
  return captures().count(stream) != 0;
}

void dpo4j_standin_capture(cudaStream_t stream, std::function<cudaError_t()> work) {
  std::lock_guard<std::mutex> lock(mutex);
  captures()[stream].work.push_back(std::move(work));
}

DPO4J_STANDIN cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode) { return CALL(begin(stream, mode)); }

DPO4J_STANDIN cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) { return CALL(end(stream, graph)); }

DPO4J_STANDIN cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph, unsigned long long flags) {
  if (executable == nullptr || flags != 0) return dpo4j_standin_report(cudaErrorInvalidValue);
  if (!dpo4j_standin_has_handle(graph, "graph")) return dpo4j_standin_report(cudaErrorInvalidResourceHandle);
  *executable = new CUgraphExec_st{graph->work};
  dpo4j_standin_add_handle(*executable, "executable graph");
  return CALL(cudaSuccess);
}

// Only how many nodes there are.
DPO4J_STANDIN cudaError_t cudaGraphGetNodes(cudaGraph_t graph, void** nodes, size_t* count) {
  if (nodes != nullptr || count == nullptr) return dpo4j_standin_report(cudaErrorInvalidValue);
  if (!dpo4j_standin_has_handle(graph, "graph")) return dpo4j_standin_report(cudaErrorInvalidResourceHandle);
  *count = graph->work.size();
  return CALL(cudaSuccess);
}

DPO4J_STANDIN cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
  return CALL_ON(stream, launch(executable, stream));
}

DPO4J_STANDIN cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  if (!dpo4j_standin_remove_handle(executable, "executable graph")) return dpo4j_standin_report(cudaErrorInvalidResourceHandle);
  delete executable;
  return CALL(cudaSuccess);
}

DPO4J_STANDIN cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  if (!dpo4j_standin_remove_handle(graph, "graph")) return dpo4j_standin_report(cudaErrorInvalidResourceHandle);
  delete graph;
  return CALL(cudaSuccess);
}
