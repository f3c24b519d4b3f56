// Counts calls of the stand-ins, one counter per kind of event.
#include <stdint.h>

#include <atomic>

#include "standin.h"

namespace {

std::atomic<int64_t> counts[kInvariants + 1];
std::atomic<int64_t> cublaslt_version{131000};

}  // namespace

void dpo4j_standin_count(int event) { counts[event]++; }

size_t dpo4j_standin_cublaslt_version() { return static_cast<size_t>(cublaslt_version); }

// `static native void setCublasLtVersion(long)`
DPO4J_STANDIN void Java_org_dpo4j_conformance_StandIn_setCublasLtVersion(void*, void*, int64_t version) { cublaslt_version = version; }

// Called by org.dpo4j.conformance.StandIn: `static native long counted(int)`. The first two pointers are JNI's.
DPO4J_STANDIN int64_t Java_org_dpo4j_conformance_StandIn_counted(void*, void*, int32_t event) { return counts[event]; }
