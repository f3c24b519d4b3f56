// Internal to the stand-in libcudart: how calls return, and the state that they share.
#pragma once

#include "../include/cuda_emulation/runtime_api.h"
#include "standin.h"

namespace cudart {

// DPO4J_STANDIN_MEMORY_MIB, or 4096 MiB: small enough to test what happens when it is full.
size_t device_memory_bytes();

// From now on every call returns `error`, as after a fault of a device.
void fail_for_good(cudaError_t error);
cudaError_t failure();

// Called by calls that a graph cannot contain. Returns whether this thread is capturing a stream; if so, it invalidates the capture.
bool spoils_capture();

// The current device of this thread.
int current_device();

// Whether this thread has a CUDA context on it. Driver functions need one, and only cudaSetDevice guarantees it.
bool has_context();

}  // namespace cudart

// The result of a call: the failure of the device if it has failed, otherwise the value of the expression. cudaGetLastError returns it too.
#define CALL(expression) dpo4j_standin_report(cudart::failure() != cudaSuccess ? cudart::failure() : (expression))
#define CALL_ON(stream, expression) CALL(dpo4j_standin_is_stream(stream) ? (expression) : cudaErrorInvalidResourceHandle)
// The same for calls that are not allowed during a capture.
#define CALL_OUTSIDE_CAPTURE(expression) CALL(cudart::spoils_capture() ? cudaErrorStreamCaptureUnsupported : (expression))
#define CALL_ON_OUTSIDE_CAPTURE(stream, expression) \
  CALL_ON(stream, cudart::spoils_capture() ? cudaErrorStreamCaptureUnsupported : (expression))
