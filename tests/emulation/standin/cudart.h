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

bool is_stream(cudaStream_t stream);

}  // namespace cudart

// A call's result: the device's failure if it has failed, what the call says otherwise; remembered for cudaGetLastError.
#define CALL(expression) dpo4j_standin_report(cudart::failure() != cudaSuccess ? cudart::failure() : (expression))
#define CALL_ON(stream, expression) CALL(cudart::is_stream(stream) ? (expression) : cudaErrorInvalidResourceHandle)
