// Inside the stand-in libcudart: how a call returns, and the state calls share.
#pragma once

#include "../include/cuda_emulation/runtime_api.h"
#include "standin.h"

namespace cudart {

// DPO4J_STANDIN_MEMORY_MIB, or 4096 MiB: small enough that running out of it can be tested.
size_t device_memory_bytes();

// From here on every call returns `error`, as after a fault on a device.
void fail_for_good(cudaError_t error);
cudaError_t failure();

// Whether this thread is capturing a stream, whose graph then cannot hold what is asked: the capture is of no use any more.
bool spoils_capture();

// The device that calls of this thread are about.
int current_device();

// Whether this thread has a context on it: the driver's own functions want one, and cudaSetDevice alone promises it.
bool has_context();

}  // namespace cudart

// A call's result: the device's failure if it has failed, what the call says otherwise; remembered for cudaGetLastError.
#define CALL(expression) dpo4j_standin_report(cudart::failure() != cudaSuccess ? cudart::failure() : (expression))
#define CALL_ON(stream, expression) CALL(dpo4j_standin_is_stream(stream) ? (expression) : cudaErrorInvalidResourceHandle)
// The same of calls that no capture may hold.
#define CALL_OUTSIDE_CAPTURE(expression) CALL(cudart::spoils_capture() ? cudaErrorStreamCaptureUnsupported : (expression))
#define CALL_ON_OUTSIDE_CAPTURE(stream, expression) \
  CALL_ON(stream, cudart::spoils_capture() ? cudaErrorStreamCaptureUnsupported : (expression))
